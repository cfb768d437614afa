#!/usr/bin/env python3
"""Inference alone, ours beside onnxruntime's and tract's: the runtimes take turns in one run, one thread each.

Installs its peers into a virtual environment under target/. Prints a table in Markdown, or JSON with --json: medians in
milliseconds, ratios to ours (below 1 means that ours is faster), load times and peak memory of a process of its own.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import venv
from datetime import date
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PEERS = ["numpy==2.4.6", "onnxruntime==1.32.0"]

# Loads a model, then answers each line as the Rust side does (see inference.rs).
ONNXRUNTIME = """
import resource, sys, time
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
start = time.perf_counter()
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
declared = session.get_inputs()[0]
shape = [side if isinstance(side, int) else 1 for side in declared.shape]
count = int(numpy.prod(shape))
if "uint8" in declared.type:
    picture = (numpy.arange(count) % 251).astype(numpy.uint8)
else:
    picture = (numpy.arange(count) % 511 / 255.5 - 1).astype(numpy.float32)
feed = {declared.name: picture.reshape(shape)}
session.run(None, feed)
print((time.perf_counter() - start) * 1000, flush=True)
for line in sys.stdin:
    if not line.strip():
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
        continue
    times = []
    for _ in range(int(line)):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(f"{(time.perf_counter() - start) * 1000:.4f}")
    print(" ".join(times), flush=True)
"""


class Runtime:
    """A process that has a model loaded and runs it when it is told to."""

    def __init__(self, name: str, command: list[str]):
        self.name = name
        self.times: list[float] = []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.load_ms = float(self.answer())

    def answer(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"inference.py: {self.name} ended; what it said is above")
        return line

    def ask(self, question: str) -> str:
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self.answer()

    def run(self, count: int) -> None:
        self.times += [float(time) for time in self.ask(str(count)).split()]

    def end(self) -> int:
        """Ends it; its peak memory in kB."""
        peak = int(self.ask(""))
        self.process.stdin.close()
        self.process.wait(timeout=10)
        return peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path, help="ONNX files; without any, the bundled models")
    parser.add_argument("--rounds", type=int, default=15, help="turns that each runtime takes")
    parser.add_argument("--runs", type=int, default=10, help="pictures in a turn")
    parser.add_argument("--json", action="store_true", help="for scripts")
    arguments = parser.parse_args()
    models = arguments.models or sorted((CHECKOUT / "models").glob("*.onnx"))
    bench, python = build(), environment()
    results = [measure(model, bench, python, arguments) for model in models]
    if arguments.json:
        print(json.dumps({"machine": machine(), "date": date.today().isoformat(), "results": results}, indent=2))
    else:
        show(results)


def build() -> Path:
    command = ["cargo", "bench", "--locked", "--no-run", "--bench", "inference", "--message-format", "json"]
    built = subprocess.run(command, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True).stdout
    artefacts = [json.loads(line) for line in built.splitlines()]
    programs = [one["executable"] for one in artefacts if one.get("target", {}).get("name") == "inference" and one.get("executable")]
    return Path(programs[-1])


def environment() -> Path:
    """An interpreter that has the peers."""
    directory = CHECKOUT / "target" / "peers"
    python = directory / "bin" / "python"
    if not python.exists():
        venv.create(directory, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True, stdout=sys.stderr)
    return python


def measure(model: Path, bench: Path, python: Path, arguments: argparse.Namespace) -> dict:
    runtimes = [
        Runtime("native", [bench, "native", model]),
        Runtime("onnxruntime", [python, "-c", ONNXRUNTIME, model]),
        Runtime("tract", [bench, "tract", model]),
    ]
    for turn in range(arguments.rounds + 1):
        print(f"\r{model.name}: round {turn} of {arguments.rounds}", end="", file=sys.stderr, flush=True)
        for runtime in runtimes:
            runtime.run(arguments.runs)
            if turn == 0:
                runtime.times.clear()  # a warm-up
    print("\r\033[K", end="", file=sys.stderr)
    return {"model": model.name, "runtimes": {runtime.name: summary(runtime) for runtime in runtimes}}


def summary(runtime: Runtime) -> dict:
    ordered = sorted(runtime.times)
    return {
        "median_ms": statistics.median(ordered),
        "p10_ms": ordered[len(ordered) // 10],
        "p90_ms": ordered[len(ordered) * 9 // 10],
        "load_ms": runtime.load_ms,
        "peak_mb": runtime.end() / 1000,
    }


def machine() -> str:
    name = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return f"{name.partition(':')[2].strip() or platform.machine()}, one thread"


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
