#!/usr/bin/env python3
"""Loading a model, ours beside tract: time and memory, each load in a process of its own, the backends in turns.

Prints a table in Markdown: medians, and ours as a part of tract's. Memory is that of the whole process at its
peak.
"""

import argparse
import statistics
from pathlib import Path

from contender import CHECKOUT, Contender, build, progress
from machine import processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path, help="ONNX files; without any, the bundled models")
    parser.add_argument("--rounds", type=int, default=9, help="loads by each backend")
    parser.add_argument("--bench", type=Path, help="the inference bench, built already")
    arguments = parser.parse_args()
    models = arguments.models or sorted((CHECKOUT / "models").glob("*.onnx"))
    bench = arguments.bench or build("inference")["inference"]
    print(f"{processor()}, medians of {arguments.rounds} loads\n")
    print("| model | load ms: native, tract | native / tract | peak MB: native, tract | native / tract |")
    print("|---|---|---|---|---|")
    for model in models:
        loads = {"native": [], "tract": []}
        for number in range(arguments.rounds):
            progress(f"{model.name}: {number + 1} of {arguments.rounds}")
            for backend, measured in loads.items():
                contender = Contender(backend, [bench, backend, model])
                measured.append((contender.load_ms, contender.end() / 1000))
        progress("")
        (ours_ms, ours_mb), (theirs_ms, theirs_mb) = (map(statistics.median, zip(*measured)) for measured in loads.values())
        print(
            f"| {model.stem} | {ours_ms:.0f}, {theirs_ms:.0f} | {ours_ms / theirs_ms:.2f} |"
            f" {ours_mb:.0f}, {theirs_mb:.0f} | {ours_mb / theirs_mb:.2f} |"
        )


if __name__ == "__main__":
    main()
