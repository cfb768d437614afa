#!/usr/bin/env python3
"""Inference alone, ours beside onnxruntime's and tract's: the runtimes take turns in one run, one thread each.

Installs its peers into a virtual environment under target/. Prints a table in Markdown, or JSON with --json: medians in
milliseconds, ratios to ours (below 1 means that ours is faster), load times and peak memory of a process of its own. A loop of
nothing but multiplications and additions takes turns, too; beside our times stands which part of its speed they are.

With --sets all sets of kernels that the processor can run take turns instead.
"""

import argparse
import itertools
import json
import statistics
import subprocess
from datetime import date
from pathlib import Path

from contender import CHECKOUT, Contender, build, environment, take_turns
from machine import processor
from work import Work, of_peak

THEIRS = CHECKOUT / "benches/peers/theirs/model.py"
# Of what benches/peers installs.
UNUSED = {"ncnn", "pnnx", "ai-edge-litert", "opencv-python-headless", "paho-mqtt", "pillow", "PyTurboJPEG", "onnx"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path, help="ONNX files; without any, the bundled models")
    parser.add_argument("--rounds", type=int, default=15, help="turns that each runtime takes")
    parser.add_argument("--runs", type=int, default=10, help="pictures in a turn")
    parser.add_argument("--sets", action="store_true", help="our sets of kernels beside one another, nothing else")
    parser.add_argument("--json", action="store_true", help="for scripts")
    arguments = parser.parse_args()
    models = arguments.models or sorted((CHECKOUT / "models").glob("*.onnx"))
    bench = build("inference")["inference"]
    if arguments.sets:
        results = [measure_sets(model, bench, arguments) for model in models]
    else:
        python = environment(lambda package: package not in UNUSED)
        results = [measure(model, bench, python, arguments) for model in models]
    if arguments.json:
        print(json.dumps({"machine": machine(), "date": date.today().isoformat(), "results": results}, indent=2))
    else:
        (show_sets if arguments.sets else show)(results)


def measure(model: Path, bench: Path, python: Path, arguments: argparse.Namespace) -> dict:
    native = Contender("native", [bench, "native", model])
    work = Work.of(native)
    peak = work.peak(bench)
    theirs = [
        Contender("onnxruntime", [python, THEIRS, "onnxruntime", model, "1"]),
        Contender("tract", [bench, "tract", model]),
    ]
    take_turns(model.name, [native, *theirs, *peak], arguments.rounds, arguments.runs)
    runtimes = {runtime.name: summary(runtime) for runtime in [native, *theirs]}
    runtimes["native"] |= work.beside(peak, runtimes["native"]["median_ms"])
    return {"model": model.name, "runtimes": runtimes}


def measure_sets(model: Path, bench: Path, arguments: argparse.Namespace) -> dict:
    names = subprocess.run([bench, "sets"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    sets = [Contender(name, [bench, name, model]) for name in names]
    works = [Work.of(one) for one in sets]
    peaks = [work.peak(bench) for work in works]
    take_turns(model.name, [*sets, *itertools.chain(*peaks)], arguments.rounds, arguments.runs)
    rows = {}
    for one, work, peak in zip(sets, works, peaks, strict=True):
        row = summary(one)
        rows[one.name] = row | work.beside(peak, row["median_ms"])
    return {"model": model.name, "sets": rows}


def summary(runtime: Contender) -> dict:
    ordered = sorted(runtime.times)
    return {
        "median_ms": statistics.median(ordered),
        "p10_ms": ordered[len(ordered) // 10],
        "p90_ms": ordered[len(ordered) * 9 // 10],
        "load_ms": runtime.load_ms,
        "peak_mb": runtime.end() / 1000,
    }


def machine() -> str:
    return f"{processor()}, one thread"


def show(results: list[dict]) -> None:
    print(f"{machine()}, {date.today().isoformat()}\n")
    print("| model | runtime | median ms | p10 to p90 | ours / theirs | of the arithmetic peak | load ms | peak MB |")
    print("|---|---|---|---|---|---|---|---|")
    for result in results:
        ours = result["runtimes"]["native"]["median_ms"]
        for name, row in result["runtimes"].items():
            print(
                f"| {result['model']} | {name} | {row['median_ms']:.2f} | {row['p10_ms']:.2f} to {row['p90_ms']:.2f} |"
                f" {ours / row['median_ms']:.2f} | {of_peak(row)} | {row['load_ms']:.0f} | {row['peak_mb']:.0f} |"
            )


def show_sets(results: list[dict]) -> None:
    print(f"{machine()}, {date.today().isoformat()}\n")
    print("| model | set of kernels | median ms | p10 to p90 | by the fastest | of the arithmetic peak |")
    print("|---|---|---|---|---|---|")
    for result in results:
        best = min(row["median_ms"] for row in result["sets"].values())
        for name, row in result["sets"].items():
            print(
                f"| {result['model']} | {name} | {row['median_ms']:.2f} | {row['p10_ms']:.2f} to {row['p90_ms']:.2f} |"
                f" {row['median_ms'] / best:.2f} | {of_peak(row)} |"
            )


if __name__ == "__main__":
    main()
