#!/usr/bin/env python3
"""Runs the daemon at full rate for an hour and fails if it grows, leaks or writes.

It labels an MJPEG stream as fast as it can, with a real mosquitto and a subscriber that get every label. After the first
minute nothing may grow any more: resident memory by less than 1 MB, descriptors, threads and bytes written to a disk not
at all. Needs only Python's standard library and mosquitto.

    benches/endurance.py --binary target/release/glimpsed --minutes 60
    nice -n 19 benches/endurance.py --csv samples.csv
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, fields

from broker import start_broker
from contender import CHECKOUT
from process import cpu_seconds, status

WARM_UP_SECONDS = 60.0
SAMPLE_SECONDS = 10.0
GROWTH_KIB = 1024


@dataclass(frozen=True)
class Sample:
    """What the kernel says of the daemon, and how many labels have arrived."""

    seconds: float
    rss_kib: int
    threads: int
    descriptors: int
    written_bytes: int
    labels: int


def sample(pid: int, began: float, labels: pathlib.Path) -> Sample:
    process = pathlib.Path(f"/proc/{pid}")
    memory = status(pid)
    io = dict(line.split(":", 1) for line in (process / "io").read_text().splitlines())
    return Sample(
        seconds=round(time.monotonic() - began, 1),
        rss_kib=int(memory["VmRSS"].split()[0]),
        threads=int(memory["Threads"]),
        descriptors=sum(1 for _ in (process / "fd").iterdir()),
        written_bytes=int(io["write_bytes"]),
        labels=labels.stat().st_size // 2,
    )


def write_config(directory: pathlib.Path, port: int, model: str) -> pathlib.Path:
    stream = directory / "stream.mjpeg"
    photos = sorted((CHECKOUT / "models/photos").glob("*.jpg"))
    stream.write_bytes(b"".join(photo.read_bytes() for photo in photos) * 10)
    config = directory / "glimpsed.toml"
    config.write_text(f"""
[device]
id = "endurance"
[camera]
source = "replay"
path = {json.dumps(str(stream))}
fps = 1000.0
[model]
active = {json.dumps(model)}
directory = {json.dumps(str(CHECKOUT / "models"))}
[gate]
min_change = 0.0
[mqtt]
url = "mqtt://127.0.0.1:{port}"
classification_interval = "0s"
""")
    return config


def complaints(first: Sample, last: Sample, highest: Sample) -> list[str]:
    """What is wrong after the last sample, compared with that after the first minute."""
    found = []
    if highest.rss_kib - first.rss_kib >= GROWTH_KIB:
        found.append(f"resident memory grew from {first.rss_kib} to {highest.rss_kib} KiB")
    for name in ("threads", "descriptors", "written_bytes"):
        if getattr(last, name) > getattr(first, name):
            found.append(f"{name.replace('_', ' ')} grew from {getattr(first, name)} to {getattr(last, name)}")
    if last.labels <= first.labels:
        found.append("no label arrived after the first minute")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=CHECKOUT / "target/release/glimpsed")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--model", default="efficientnet-lite0", help="one of the bundled ones")
    parser.add_argument("--csv", type=pathlib.Path, help="where all samples go")
    arguments = parser.parse_args()
    if arguments.minutes * 60 < WARM_UP_SECONDS + 2 * SAMPLE_SECONDS:
        parser.error("--minutes: the first is for warming up, so at least 1.5")

    with tempfile.TemporaryDirectory(prefix="glimpsed-endurance-") as temporary:
        directory = pathlib.Path(temporary)
        binary = shutil.copy2(arguments.binary, directory / "glimpsed")  # A rebuild meanwhile changes nothing.
        broker, port = start_broker(directory)
        running = [broker]
        try:
            labels = directory / "labels"
            with labels.open("wb") as counted, (directory / "log").open("wb") as log:
                # Two bytes a label, so that counting costs nothing.
                running.append(subprocess.Popen(
                    ["mosquitto_sub", "-p", str(port), "-t", "glimpsed/endurance/classification", "-F", "x"],
                    stdout=counted,
                ))  # fmt: skip
                daemon = subprocess.Popen(
                    [binary, "run", "-c", write_config(directory, port, arguments.model)],
                    stdout=subprocess.DEVNULL, stderr=log,
                )  # fmt: skip
                running.append(daemon)
                samples = watch(daemon, arguments.minutes * 60, labels, arguments.csv)
                if samples is None:
                    print((directory / "log").read_text()[-2000:], file=sys.stderr)
                    print("endurance: the daemon has ended", file=sys.stderr)
                    return 1
                cpu = cpu_seconds(daemon.pid)
        finally:
            for process in reversed(running):
                process.terminate()
                process.wait()

    settled = [one for one in samples if one.seconds >= WARM_UP_SECONDS]
    first, last = settled[0], settled[-1]
    highest = max(settled, key=lambda one: one.rss_kib)
    frames = last.labels - first.labels
    print(f"{frames} labels in {last.seconds - first.seconds:.0f} s after the first minute, {cpu:.0f} s of CPU in all")
    for name, one in (("after a minute", first), ("highest memory", highest), ("at the end", last)):
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in asdict(one).items()))
    found = complaints(first, last, highest)
    for complaint in found:
        print(f"FAIL: {complaint}")
    return 1 if found else 0


def watch(
    daemon: subprocess.Popen, seconds: float, labels: pathlib.Path, csv: pathlib.Path | None
) -> list[Sample] | None:
    """Samples until the time is up; None when the daemon ends before."""
    samples: list[Sample] = []
    began = time.monotonic()
    with csv.open("w") if csv else open("/dev/null", "w") as table:
        print(",".join(field.name for field in fields(Sample)), file=table)
        while time.monotonic() - began < seconds:
            time.sleep(SAMPLE_SECONDS)
            if daemon.poll() is not None:
                return None
            samples.append(sample(daemon.pid, began, labels))
            print(",".join(str(value) for value in asdict(samples[-1]).values()), file=table, flush=True)
    return samples


if __name__ == "__main__":
    sys.exit(main())
