"""Decoding and preprocessing alone: ours, OpenCV, Pillow and turbojpeg, from a JPEG frame to 224x224 floats."""

import argparse
import sys
from pathlib import Path

from contender import Contender, has, take_turns
from peers.figures import ratio, spread
from peers.inference import medians
from peers.material import THEIRS

WAYS = ["opencv", "opencv-linear", "pillow", "pillow-draft", "turbojpeg"]
# Half of 480 rows is less than the 256 that the centre crop is taken from: nobody who cares for the answer halves those.
HALVES = ["opencv-reduced", "turbojpeg-half"]

# glibc gives a picture's memory back to the kernel when it is freed, or does not, depending on what lies behind it. In the
# whole pipeline it does not; here OpenCV's time was half as long again for 1300 page faults a picture. So it never does.
KEEP = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 30)}


def measure(frames: Path, sizes: list[str], bench: Path, python: Path, arguments: argparse.Namespace) -> list[dict]:
    return [one(frames, size, steps, bench, python, arguments) for size in sizes for steps in ("decode", "prepare")]


def one(frames: Path, size: str, steps: str, bench: Path, python: Path, arguments: argparse.Namespace) -> dict:
    directory = frames / size
    ways = WAYS + (HALVES if int(size.partition("x")[2]) >= 512 else [])
    if not has(python, "turbojpeg; turbojpeg.TurboJPEG()"):
        print("SKIPPED: PyTurboJPEG or libturbojpeg is not here, so there are no figures with it", file=sys.stderr)
        ways = [way for way in ways if not way.startswith("turbojpeg")]
    if steps == "decode":
        ways = [way for way in ways if way != "opencv-linear"]
    field = [Contender("glimpsed", [bench, steps, directory], KEEP)]
    field += [Contender(way, [python, THEIRS / "prepare.py", way, steps, directory], KEEP) for way in ways]
    # Each round is all pictures, once or more, so that every round is the same work.
    pictures = len(list(directory.glob("*.jpg")))
    runs = pictures * max(1, round(arguments.runs * 3 / pictures))
    take_turns(f"{steps} {size}", field, arguments.rounds, runs)
    ours = medians(field[0])
    means = [float(mean) for mean in field[0].ask("mean").split()] if steps == "prepare" else []
    rows = []
    for contender in field:
        theirs = medians(contender)
        row = {
            "way": contender.name,
            "ms": spread(theirs["ms"]),
            "cpu_ms": spread(theirs["cpu_ms"]),
            "ratio_ms": ratio(ours["ms"], theirs["ms"]),
            "ratio_cpu": ratio(ours["cpu_ms"], theirs["cpu_ms"]),
            "rounds": theirs,
        }
        if means:
            others = [float(mean) for mean in contender.ask("mean").split()]
            row["largest_difference_of_means"] = max(abs(a - b) for a, b in zip(means, others, strict=True))
        rows.append(row | {"peak_mb": contender.end() / 1024})
    return {"size": size, "steps": steps, "pictures": pictures, "rows": rows}
