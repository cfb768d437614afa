"""glimpsed beside what a user would run instead: the same work, in turns, in one run.

Inference alone beside onnxruntime, ncnn and LiteRT; decoding and preprocessing alone beside OpenCV, Pillow and turbojpeg; and
the whole pipeline, from a camera's bytes to a label at a broker, beside a program of OpenCV, onnxruntime and paho. The
figures go to a JSON and a Markdown file with plots.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import idle
from contender import CHECKOUT, build, environment
from machine import describe
from peers import growth, inference, limits, material, preparing, report, throughput
from peers.pipeline import Stage

SIZES = ["640x480", "1280x720"]
BEGIN, END = "<!-- bench-peers: begin -->", "<!-- bench-peers: end -->"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=CHECKOUT / "target/release/glimpsed")
    parser.add_argument("--quick", action="store_true", help="three minutes: fewer models, rounds and frames")
    parser.add_argument("--hours", type=float, help="of the run that shows growth with time (two minutes)")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "target/bench-peers", help="a directory")
    parser.add_argument("--document", type=Path, help="a Markdown file whose marked section is replaced; its plots go to images/")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of Markdown")
    arguments = parser.parse_args()
    quick = arguments.quick
    arguments.rounds, arguments.runs = (4, 6) if quick else (12, 10)
    arguments.pipeline_rounds, arguments.growth_rounds = (2, 1) if quick else (5, 3)
    arguments.frames, arguments.seconds = (100, 2.0) if quick else (200, 5.0)
    if arguments.hours is None:
        arguments.hours = (10 if quick else 120) / 3600
    return arguments


def main() -> None:
    arguments = parse()
    if not arguments.binary.exists():
        sys.exit(f"bench-peers: no {arguments.binary}; make release builds it")
    if arguments.document:
        around(arguments.document)
    arguments.out.mkdir(parents=True, exist_ok=True)
    python = environment()
    benches = build("inference", "preparing")
    results = measure(arguments, benches, python)

    (arguments.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    text = report.markdown(results, images="")
    (arguments.out / "results.md").write_text(text)
    report.plots(results, arguments.out)
    if arguments.document:
        images = arguments.document.parent / "images"
        images.mkdir(exist_ok=True)
        report.plots(results, images, prefix="performance-")
        section = report.markdown(results, images="images/performance-")
        before, after = around(arguments.document)
        arguments.document.write_text(f"{before}{BEGIN}\n\n{section}\n{END}{after}")
    print(json.dumps(results) if arguments.json else text)


def around(document: Path) -> tuple[str, str]:
    """What stands before and after the section that is ours."""
    text = document.read_text()
    if BEGIN not in text or END not in text.partition(BEGIN)[2]:
        sys.exit(f"bench-peers: {document} has no section between {BEGIN} and {END}")
    return text.partition(BEGIN)[0], text.partition(END)[2]


def measure(arguments: argparse.Namespace, benches: dict[str, Path], python: Path) -> dict:
    made = CHECKOUT / "target/bench-peers-material"
    made.mkdir(parents=True, exist_ok=True)
    sizes = sorted({*SIZES, *growth.SIZES})
    frames = material.frames(python, made, sizes)
    bundled = material.bundled()
    models = bundled if arguments.quick else bundled + material.others(python, made)
    alone = [material.with_ncnn(model, python, made) for model in models]
    labelling = [model for model in models if model.labels]
    steady = next(model for model in bundled if model.name.endswith("int8"))
    results = {
        "machine": describe(),
        "versions": versions(python),
        "glimpsed": subprocess.run([arguments.binary, "--version"], check=True, capture_output=True, text=True).stdout.strip(),
        "command": "make bench-peers" + (f' ARGS="{shlex.join(sys.argv[1:])}"' if sys.argv[1:] else ""),
        "inference": inference.measure(alone, benches["inference"], python, arguments),
        "preparing": preparing.measure(frames, SIZES, benches["preparing"], python, arguments),
    }
    with tempfile.TemporaryDirectory(prefix="glimpsed-peers-") as temporary:
        stage = Stage(Path(temporary), arguments.binary.resolve(), python, frames)
        try:
            results |= {
                "pictures": stage.pictures(SIZES[0]),
                "throughput": throughput.measure(stage, labelling, SIZES, arguments),
                "idle": idle.measure(arguments.binary.resolve(), Path(temporary), stage.port, 4 * arguments.seconds),
                "at_ten": growth.at_ten(stage, bundled, SIZES, arguments),
                "growth": {
                    "resolution": growth.with_resolution(stage, steady, arguments),
                    "rate": growth.with_rate(stage, steady, arguments),
                    "threads": growth.with_threads(stage, bundled[0], arguments),
                    "time": growth.with_time(stage, steady, arguments.hours),
                },
            }
        finally:
            stage.close()
    runs = [value for one in results["throughput"] for side in one["rounds"].values() for value in side["waited"]]
    return results | {"waited": statistics.median(runs), "limits": limits.judge(results)}


def versions(python: Path) -> dict[str, str]:
    listed = subprocess.run([python, "-m", "pip", "list", "--format", "json"], check=True, capture_output=True, text=True)
    wanted = {"onnxruntime", "ncnn", "ai-edge-litert", "opencv-python-headless", "paho-mqtt", "pillow", "PyTurboJPEG", "numpy"}
    found = {one["name"]: one["version"] for one in json.loads(listed.stdout) if one["name"].lower() in {w.lower() for w in wanted}}
    python_version = subprocess.run([python, "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    return {"Python": python_version, **found}


if __name__ == "__main__":
    main()
