#!/usr/bin/env python3
"""Measures what the daemon costs while nothing happens: a still picture at ten frames a second, of which one is wanted.

Says, thread by thread, the share of a core and how often it wakes up. A thread that waits for a frame wakes up ten times a
second; one that polls would do so more often. Needs only Python's standard library and mosquitto.

    benches/idle.py --binary target/release/glimpsed --seconds 30
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import last
from broker import free_port, start_broker
from contender import CHECKOUT
from process import cpu_seconds, memory_mb

FRAMES_A_SECOND = 10.0
WARM_UP_SECONDS = 5.0


def wakes(pid: int) -> dict[str, int]:
    """How often each thread has gone to sleep of its own accord, and so has been woken, by its name."""
    counts: dict[str, int] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
        name = fields["Name"].strip()
        counts[name] = counts.get(name, 0) + int(fields["voluntary_ctxt_switches"])
    return counts


def config_text(picture: Path, port: int) -> str:
    return f"""
[device]
id = "idle"
[camera]
source = "replay"
path = {json.dumps(str(picture))}
fps = {FRAMES_A_SECOND}
[model]
directory = {json.dumps(str(CHECKOUT / "models"))}
[gate]
max_fps = 1.0
[mqtt]
url = "mqtt://127.0.0.1:{port}"
[http]
listen = "127.0.0.1:{free_port()}"
"""


def measure(binary: Path, directory: Path, port: int, seconds: float) -> dict:
    """CPU in percent of a core, wake-ups a second of each thread, megabytes."""
    # In another directory than the file that the daemon watches, which would tell it of every look at the picture.
    pictures = directory / "pictures"
    pictures.mkdir(exist_ok=True)
    picture = pictures / "still.mjpeg"
    picture.write_bytes((CHECKOUT / "models/photos/rocket.jpg").read_bytes())
    config = directory / "idle.toml"
    config.write_text(config_text(picture, port))
    daemon = subprocess.Popen([binary, "run", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(WARM_UP_SECONDS)
        began, cpu, before = time.monotonic(), cpu_seconds(daemon.pid), wakes(daemon.pid)
        time.sleep(seconds)
        took = time.monotonic() - began
        cpu, after = cpu_seconds(daemon.pid) - cpu, wakes(daemon.pid)
        memory = memory_mb(daemon.pid)
    finally:
        daemon.terminate()
        daemon.wait()
    threads = {name: round((count - before.get(name, 0)) / took, 1) for name, count in sorted(after.items())}
    return {"cpu_percent": 100 * cpu / took, "wakes_a_second": threads, "rss_mb": memory["rss"], "seconds": took}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=CHECKOUT / "target/release/glimpsed")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        broker, port = start_broker(Path(temporary))
        try:
            found = measure(arguments.binary, Path(temporary), port, arguments.seconds)
        finally:
            broker.terminate()
            broker.wait()
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    print("A still scene at one frame a second; wake-ups a second; in brackets the change since the last run\n")
    rows = {
        "idle": {
            "percent of a core": found["cpu_percent"], "rss mb": found["rss_mb"], **found["wakes_a_second"],
        }
    }  # fmt: skip
    print(last.table(rows, last.changes("idle", rows)))


if __name__ == "__main__":
    main()
