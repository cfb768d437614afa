#!/usr/bin/env python3
"""Inference alone, ours beside onnxruntime's and tract's: the runtimes take turns in one run, one thread each.

Installs its peers into a virtual environment under target/. Prints a table in Markdown, or JSON with --json: medians in
milliseconds, ratios to ours (below 1 means that ours is faster), load times and peak memory of a process of its own.
"""

import argparse
import json
import statistics
from datetime import date
from pathlib import Path

from contender import CHECKOUT, Contender, build, environment, take_turns
from machine import processor

THEIRS = CHECKOUT / "benches/peers/theirs/model.py"
# Of what benches/peers installs.
UNUSED = {"ncnn", "pnnx", "ai-edge-litert", "opencv-python-headless", "paho-mqtt", "pillow", "PyTurboJPEG", "onnx"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path, help="ONNX files; without any, the bundled models")
    parser.add_argument("--rounds", type=int, default=15, help="turns that each runtime takes")
    parser.add_argument("--runs", type=int, default=10, help="pictures in a turn")
    parser.add_argument("--json", action="store_true", help="for scripts")
    arguments = parser.parse_args()
    models = arguments.models or sorted((CHECKOUT / "models").glob("*.onnx"))
    bench = build("inference")["inference"]
    python = environment(lambda package: package not in UNUSED)
    results = [measure(model, bench, python, arguments) for model in models]
    if arguments.json:
        print(json.dumps({"machine": machine(), "date": date.today().isoformat(), "results": results}, indent=2))
    else:
        show(results)


def measure(model: Path, bench: Path, python: Path, arguments: argparse.Namespace) -> dict:
    runtimes = [
        Contender("native", [bench, "native", model]),
        Contender("onnxruntime", [python, THEIRS, "onnxruntime", model, "1"]),
        Contender("tract", [bench, "tract", model]),
    ]
    take_turns(model.name, runtimes, arguments.rounds, arguments.runs)
    return {"model": model.name, "runtimes": {runtime.name: summary(runtime) for runtime in runtimes}}


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
    print("| model | runtime | median ms | p10 to p90 | ours / theirs | load ms | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for result in results:
        ours = result["runtimes"]["native"]["median_ms"]
        for name, row in result["runtimes"].items():
            print(
                f"| {result['model']} | {name} | {row['median_ms']:.2f} | {row['p10_ms']:.2f} to {row['p90_ms']:.2f} |"
                f" {ours / row['median_ms']:.2f} | {row['load_ms']:.0f} | {row['peak_mb']:.0f} |"
            )


if __name__ == "__main__":
    main()
