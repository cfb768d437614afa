#!/usr/bin/env python3
"""Measures the whole daemon: start to first label, frames a second, CPU time a frame, and memory.

Each model labels an MJPEG stream of 640x427 frames (the bundled rocket, over and over) as fast as it can, with a real
mosquitto that gets every label. The models take turns, so that a slow moment of the machine hits all of them; quote the
medians. The file is read from a warm page cache. Needs only Python's standard library and mosquitto.

    benches/daemon.py --binary target/release/glimpsed
    benches/daemon.py --model mobilenet-v2=/path/to/mobilenet-v2.onnx,0.5,0.5
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

import last
from broker import start_broker
from contender import CHECKOUT
from process import cpu_seconds, memory_mb

BUNDLED = ["efficientnet-lite0", "efficientnet-lite0-int8"]


def measure(binary: pathlib.Path, config: pathlib.Path, frames: int) -> dict[str, float]:
    started = time.monotonic()
    daemon = subprocess.Popen([binary, "run", "-c", config], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        daemon.stdout.readline()
        first = time.monotonic()
        cpu_first = cpu_seconds(daemon.pid)
        stages = {"decode": [], "preprocess": [], "infer": []}
        for _ in range(frames - 1):
            timing = json.loads(daemon.stdout.readline())["timing_ms"]
            for name, values in stages.items():
                values.append(timing[name])
        seconds = time.monotonic() - first
        cpu = cpu_seconds(daemon.pid) - cpu_first
        memory = memory_mb(daemon.pid)
    finally:
        daemon.terminate()
        daemon.wait()
    return {
        "first_label_ms": 1000 * (first - started),
        "fps": (frames - 1) / seconds,
        "cpu_ms_per_frame": 1000 * cpu / (frames - 1),
        **{f"{name}_ms": statistics.median(values) for name, values in stages.items()},
        **{f"{name}_mb": value for name, value in memory.items()},
    }


def config_text(name: str, own: dict[str, str], stream: pathlib.Path, port: int) -> str:
    text = f"""
[camera]
source = "replay"
path = {json.dumps(str(stream))}
fps = 1000.0
[model]
active = {json.dumps(name)}
[gate]
min_change = 0.0
[mqtt]
url = "mqtt://127.0.0.1:{port}"
classification_interval = "0s"
[stdout]
format = "json"
"""
    if name in own:
        path, mean, std = own[name].split(",")
        text += f"[models.{name}]\npath = {json.dumps(path)}\nmean = [{mean}, {mean}, {mean}]\nstd = [{std}, {std}, {std}]\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=CHECKOUT / "target/release/glimpsed")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", action="append", default=[], metavar="NAME=PATH,MEAN,STD", help="besides the bundled ones")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    own = dict(one.split("=", 1) for one in arguments.model)
    names = [*BUNDLED, *own]
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary)
        stream = directory / "rocket.mjpeg"
        stream.write_bytes((CHECKOUT / "models/photos/rocket.jpg").read_bytes() * 50)
        broker, port = start_broker(directory)
        try:
            for number in range(arguments.rounds):
                for name in names:
                    print(f"round {number + 1} of {arguments.rounds}: {name}", end="\r", flush=True, file=os.sys.stderr)
                    config = directory / f"{name}.toml"
                    config.write_text(config_text(name, own, stream, port))
                    rounds[name].append(measure(arguments.binary, config, arguments.frames))
        finally:
            broker.terminate()
            broker.wait()

    medians = {name: {key: statistics.median(one[key] for one in runs) for key in runs[0]} for name, runs in rounds.items()}
    if arguments.json:
        print(json.dumps({"machine": platform.processor() or platform.machine(), "medians": medians, "rounds": rounds}, indent=1))
        return
    print(f"\nmedians of {arguments.rounds} rounds of {arguments.frames} frames, {platform.machine()}, {os.cpu_count()} cores; in")
    print("brackets the change since the last run\n")
    print(last.table(medians, last.changes("daemon", medians)))


if __name__ == "__main__":
    main()
