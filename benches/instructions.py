#!/usr/bin/env python3
"""Counts the instructions of one inference on emulated Arm boards: ours, and tract's beside it.

The program is built for aarch64 and run by qemu's user emulation with a plugin that counts; what loading costs is taken
away by running once and several times. A proxy for work, the same on every machine; it is not a time.
"""

import argparse
import collections
import os
import subprocess
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", CHECKOUT / "target/cross"))
# The models of the boards' processors as qemu calls them, and which boards those are.
BOARDS = {"cortex-a72": "Pi 4, like Pi 3 and Jetson Nano without dot product", "cortex-a76": "Pi 5"}
RUNS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path, help="ONNX files; without any, the bundled models")
    parser.add_argument("--cpu", action="append", choices=sorted(BOARDS), help="only this processor")
    parser.add_argument("--functions", type=int, default=0, metavar="N", help="also the N functions that take the most")
    parser.add_argument("--tract", action="store_true", help="also tract, which takes some minutes")
    arguments = parser.parse_args()
    models = arguments.models or sorted((CHECKOUT / "models").glob("*.onnx"))
    bench, plugin = build(arguments.tract), build_plugin()
    print("| model | processor | backend | million instructions |\n|---|---|---|---|")
    details = []
    for model in models:
        for cpu in arguments.cpu or BOARDS:
            for backend in ["native", "tract"][: 1 + arguments.tract]:
                counts = once(bench, plugin, cpu, backend, model)
                print(f"| {model.name} | {cpu} | {backend} | {sum(counts.values()) / 1e6:.1f} |", flush=True)
                details += [(model.name, cpu, backend, counts)]
    for name, cpu, backend, counts in details if arguments.functions else []:
        print(f"\n{name}, {cpu}, {backend}:")
        for function, count in counts.most_common(arguments.functions):
            print(f"{count / 1e6:10.2f}  {function}")


def build(with_tract: bool) -> Path:
    """The bench program for aarch64, with names in it; without tract, which takes minutes to compile, unless it is asked for."""
    features = [] if with_tract else ["--no-default-features"]
    subprocess.run([CHECKOUT / ".ci/cross", "cargo", "bench", "--locked", "--no-run", "-p", "glimpsed-inference", *features, "--bench", "inference"],
                   cwd=CHECKOUT, check=True, env=os.environ | {"CARGO_PROFILE_RELEASE_LTO": "off",
                   "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16", "CARGO_PROFILE_RELEASE_STRIP": "none"})
    built = (TARGET / "aarch64-unknown-linux-gnu/release/deps").glob("inference-*")
    return max((path for path in built if not path.suffix), key=lambda path: path.stat().st_mtime)


def build_plugin() -> Path:
    plugin = TARGET / "instructions.so"
    plugin.parent.mkdir(parents=True, exist_ok=True)
    source = CHECKOUT / "benches/instructions.c"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-Wall", "-o", plugin, source], check=True)
    return plugin


def once(bench: Path, plugin: Path, cpu: str, backend: str, model: Path) -> collections.Counter:
    """What one inference takes, by function."""
    few, many = (count(bench, plugin, cpu, backend, model, runs) for runs in (1, 1 + RUNS))
    return collections.Counter({name: (many[name] - few[name]) / RUNS for name in many if many[name] > few[name]})


def count(bench: Path, plugin: Path, cpu: str, backend: str, model: Path, runs: int) -> collections.Counter:
    with tempfile.NamedTemporaryFile("r") as counts:
        subprocess.run(["qemu-aarch64", "-cpu", cpu, "-plugin", plugin, bench, backend, model], input=f"{runs}\n",
                       text=True, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"GLIMPSED_COUNTS": counts.name})
        total = collections.Counter()
        for line in counts:
            number, _, name = line.rstrip("\n").partition(" ")
            total[name] += int(number)
        return total


if __name__ == "__main__":
    main()
