#!/usr/bin/env python3
"""Measures what a still scene saves, and what a second opinion costs the labels of the video.

A daemon labels pictures at a steady rate and prints a line for each; two kinds of it take turns, so that a slow moment of
the machine hits both. Needs only Python's standard library.

    benches/scenes.py --binary target/release/glimpsed
    benches/scenes.py --accurate resnet-18=/path/to/resnet18.onnx,0.45,0.225
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile
import time
from datetime import date

from contender import CHECKOUT
from process import cpu_seconds

PHOTOS = CHECKOUT / "models/photos"


def run(binary: pathlib.Path, text: str, seconds: float, cores: set[int]) -> dict[str, float]:
    """Labels for so long, after the first label and the accurate model's loading."""
    with tempfile.TemporaryDirectory() as temporary:
        config = pathlib.Path(temporary) / "glimpsed.toml"
        config.write_text(text + '[stdout]\nformat = "json"\n[http]\nenabled = false\n')
        daemon = subprocess.Popen(
            [binary, "run", "-c", config], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        try:
            settled = time.monotonic() + 2
            while time.monotonic() < settled:
                assert daemon.stdout.readline(), "the daemon has ended"
            start, before = time.monotonic(), cpu_seconds(daemon.pid)
            frames = []
            while time.monotonic() < start + seconds:
                frames.append(json.loads(daemon.stdout.readline()))
            cpu, elapsed = cpu_seconds(daemon.pid) - before, time.monotonic() - start
        finally:
            daemon.terminate()
            daemon.wait()
    total = sorted(frame["timing_ms"]["total"] for frame in frames)
    return {
        "fps": len(frames) / elapsed,
        "cached": sum(frame["cached"] for frame in frames) / len(frames),
        "p50_ms": statistics.median(total),
        "p99_ms": total[len(total) * 99 // 100],
        "cpu_percent": 100 * cpu / elapsed,
    }


def compare(name: str, binary: pathlib.Path, texts: dict[str, str], arguments: argparse.Namespace, cores: set[int]) -> dict:
    rounds: dict[str, list[dict[str, float]]] = {kind: [] for kind in texts}
    for number in range(arguments.rounds):
        for kind, text in texts.items():
            print(f"{name}, round {number + 1} of {arguments.rounds}: {kind:30}", end="\r", flush=True, file=os.sys.stderr)
            rounds[kind].append(run(binary, text, arguments.seconds, cores))
    return {kind: {key: statistics.median(one[key] for one in runs) for key in runs[0]} for kind, runs in rounds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=CHECKOUT / "target/release/glimpsed")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fps", type=float, default=10)
    parser.add_argument("--accurate", metavar="NAME=PATH,MEAN,STD", help="the accurate model, instead of the bundled fp32")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    def camera(path: pathlib.Path) -> str:
        return f'[camera]\nsource = "replay"\npath = {json.dumps(str(path))}\nfps = {arguments.fps}\n'

    still = camera(PHOTOS / "coffee.png")
    moving = camera(PHOTOS) + '[model]\nactive = "efficientnet-lite0-int8"\n'
    name, accurate = "efficientnet-lite0", ""
    if arguments.accurate:
        name, rest = arguments.accurate.split("=", 1)
        path, mean, std = rest.split(",")
        accurate = f"[models.{name}]\npath = {json.dumps(path)}\nmean = [{mean}, {mean}, {mean}]\nstd = [{std}, {std}, {std}]\n"
    often = f'[accurate]\nenabled = true\nmodel = "{name}"\nevery = "100ms"\nmax_duty = '
    every, one = os.sched_getaffinity(0), {min(os.sched_getaffinity(0))}
    opinions = {
        "alone": moving,
        "second opinion, 10 % duty": moving + often + "0.1\n" + accurate,
        "second opinion, 100 % duty": moving + often + "1.0\n" + accurate,
    }
    results = {
        "a still scene": compare(
            "still", arguments.binary, {"without the gate": still + "[gate]\nmin_change = 0.0\n", "with the gate": still}, arguments, every
        ),
        f"second opinions by {name}": compare("opinions", arguments.binary, opinions, arguments, every),
        f"second opinions by {name}, one core": compare("one core", arguments.binary, opinions, arguments, one),
    }
    if arguments.json:
        print(json.dumps({"date": str(date.today()), "machine": platform.machine(), "results": results}, indent=1))
        return
    print(f"\nmedians of {arguments.rounds} rounds of {arguments.seconds:.0f} s, {arguments.fps:.0f} frames a second, {date.today()}, {platform.machine()}")
    for title, kinds in results.items():
        columns = next(iter(kinds.values()))
        print(f"\n| {title} | " + " | ".join(key.replace("_", " ") for key in columns) + " |")
        print("|---" * (1 + len(columns)) + "|")
        for kind, values in kinds.items():
            print(f"| {kind} | " + " | ".join(f"{value:.2f}" for value in values.values()) + " |")


if __name__ == "__main__":
    main()
