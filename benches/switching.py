#!/usr/bin/env python3
"""Measures how soon the daemon is ready, and how soon an edited file counts.

Starts the daemon as systemd does, until it says READY; then switches between the bundled models by writing the TOML file,
and times each edit until the first label of the other model, and the longest gap between two labels meanwhile. Needs only
Python's standard library.

    benches/switching.py --binary target/release/glimpsed
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from broker import free_port
from contender import CHECKOUT

MODELS = ["efficientnet-lite0", "efficientnet-lite0-int8"]
FRAMES_A_SECOND = 30.0


def config_text(stream: Path, model: str, port: int) -> str:
    return f"""
[camera]
source = "replay"
path = {json.dumps(str(stream))}
fps = {FRAMES_A_SECOND}
[model]
active = "{model}"
directory = {json.dumps(str(CHECKOUT / "models"))}
[gate]
min_change = 0.0
[stdout]
format = "json"
[http]
listen = "127.0.0.1:{port}"
"""


class Daemon:
    """A daemon whose labels are taken down with the time of their arrival."""

    def __init__(self, binary: Path, config: Path, directory: Path):
        self.labels: list[tuple[float, str]] = []
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = directory / "notify"
        address.unlink(missing_ok=True)
        ear.bind(str(address))
        ear.settimeout(60)
        began = time.monotonic()
        self.process = subprocess.Popen(
            [binary, "run", "-c", config], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "NOTIFY_SOCKET": str(address)},
        )  # fmt: skip
        threading.Thread(target=self.listen, daemon=True).start()
        try:
            while "READY=1" not in ear.recv(4096).decode().splitlines():
                pass
        except TimeoutError:
            self.end()
            raise SystemExit("the daemon is not ready after 60 s; what does it say when it is run by hand?") from None
        self.ready_ms = 1000 * (time.monotonic() - began)
        ear.close()

    def listen(self) -> None:
        for line in self.process.stdout:
            message = json.loads(line)
            if "top" in message and "model" in message:
                self.labels.append((time.monotonic(), message["model"]["name"]))

    def first_of(self, model: str, since: float) -> float:
        """Seconds from `since` to the first label of this model."""
        at = len(self.labels)
        while time.monotonic() < since + 30:
            while at < len(self.labels):
                moment, name = self.labels[at]
                if name == model and moment > since:
                    return moment - since
                at += 1
            time.sleep(0.001)
        raise SystemExit(f"no label of {model} within 30 s")

    def longest_gap(self, since: float) -> float:
        moments = [moment for moment, _ in self.labels if moment > since]
        return max(b - a for a, b in zip(moments, moments[1:], strict=False))

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=CHECKOUT / "target/release/glimpsed")
    parser.add_argument("--edits", type=int, default=10)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--most-ready-ms", type=float, default=1500.0, help="fail if the median start takes longer")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        stream = directory / "pictures" / "rocket.mjpeg"
        stream.parent.mkdir()
        stream.write_bytes((CHECKOUT / "models/photos/rocket.jpg").read_bytes() * 20)
        config, port = directory / "glimpsed.toml", free_port()
        config.write_text(config_text(stream, MODELS[0], port))
        ready = []
        for number in range(arguments.starts):
            daemon = Daemon(arguments.binary, config, directory)
            ready.append(daemon.ready_ms)
            if number + 1 < arguments.starts:
                daemon.end()
        try:
            daemon.first_of(MODELS[0], time.monotonic())
            edits, began = [], time.monotonic()
            for number in range(arguments.edits):
                model = MODELS[(number + 1) % 2]
                edited = time.monotonic()
                config.write_text(config_text(stream, model, port))
                edits.append(1000 * daemon.first_of(model, edited))
            gap = 1000 * daemon.longest_gap(began)
        finally:
            daemon.end()
    if statistics.median(ready) > arguments.most_ready_ms:
        raise SystemExit(f"READY came after {statistics.median(ready):.0f} ms, later than {arguments.most_ready_ms:.0f}")
    found = {"ready_ms": ready, "edit_to_label_ms": edits, "longest_gap_ms": gap, "frame_ms": 1000 / FRAMES_A_SECOND}
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    print(f"start to READY: {statistics.median(ready):.0f} ms (median of {len(ready)}, at most {max(ready):.0f})")
    print(f"edit to the other model's first label: {statistics.median(edits):.0f} ms (median of {len(edits)}, at most {max(edits):.0f})")
    print(f"longest gap between two labels meanwhile: {gap:.0f} ms, at {1000 / FRAMES_A_SECOND:.0f} ms a frame")


if __name__ == "__main__":
    main()
