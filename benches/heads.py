#!/usr/bin/env python3
"""Ten views with labels of their own beside one: what a taught head costs when all of them share one network.

usage: benches/heads.py [--binary FILE] [--seconds N] [--base NAME] [--json]

One camera shows the bundled photographs in 640x480 at 5 frames a second. Each view has a model that was taught with two of them, so the
ten models are ten last matrices behind one base. Views that see the same part of the picture let the base run once a frame; for comparison,
ten views that see different parts let it run ten times. The scenarios take turns. Needs ffmpeg.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from views import PLAYER, ROOT, ROUNDS, frames, measure, median

VIEWS = 10
FPS = 5.0


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "target/release/glimpsed", type=pathlib.Path)
    parser.add_argument("--seconds", default=15, type=int, help="measured for each scenario and round (15)")
    parser.add_argument("--base", default="efficientnet-lite0-int8", help="the network of all models")
    parser.add_argument("--json", action="store_true", help="for scripts")
    return parser.parse_args()


def teach(options, directory):
    """Ten models, each of which tells one photograph from another."""
    pictures = sorted(directory.glob("[0-9]*.jpg"))
    environment = os.environ | {"STATE_DIRECTORY": str(directory / "state")}
    for view in range(VIEWS):
        lesson = directory / f"view{view}"
        for label, picture in (("one", pictures[0]), ("other", pictures[1])):
            (lesson / label).mkdir(parents=True)
            for copy, turned in enumerate(("null", "transpose=1")):
                target = lesson / label / f"{copy}.jpg"
                command = ["ffmpeg", "-loglevel", "error", "-i", picture, "-vf", f"crop=600:440:{view}:{view},{turned}", "-q:v", "4", target]
                subprocess.run(command, check=True)
        subprocess.run(
            [options.binary, "teach", lesson, "--base", options.base, "-o", str(directory / "state/teach" / f"view{view}")],
            env=environment, check=True, stdout=subprocess.DEVNULL,
        )
        shutil.rmtree(lesson)


def configuration(directory, views, apart, port):
    """So many views of one camera, each with its own model; `apart`: each sees another part of the picture."""
    command = json.dumps(["python3", "-c", PLAYER, str(directory), str(FPS)])
    text = [f'[http]\nlisten = "127.0.0.1:{port}"\n[gate]\nmin_change = 0.0\n[model]\nactive = "view0"\n']
    text.append(f'[teach]\ndirectory = "{directory}/state/teach"\n')
    text.append(f'[cameras.yard]\nsource = "command"\ncommand = {command}\n')
    for view in range(views):
        side = 1 - view / 100 if apart else 1.0
        text.append(f'[views.view{view}]\ncamera = "yard"\nmodel = "view{view}"\n')
        text.append(f"region = {{ x = 0.0, y = 0.0, width = {side:.2f}, height = 1.0 }}\n")
    return "".join(text)


def main():
    options = parse()
    scenarios = {"one view": (1, False), "ten views of one region": (VIEWS, False), "ten views of ten regions": (VIEWS, True)}
    runs = {name: [] for name in scenarios}
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary)
        frames(directory)
        teach(options, directory)
        for _ in range(ROUNDS):
            for name, (views, apart) in scenarios.items():
                text = lambda port: configuration(directory, views, apart, port)
                runs[name].append(measure(options, directory, 1, text))
    figures = {name: {key: median(of, key) for key in ("cpu_s", "frames", "rss_mb")} for name, of in runs.items()}
    one, shared, apart = figures.values()
    ratios = {
        "processor time, ten views of one region to one view": shared["cpu_s"] / one["cpu_s"],
        "processor time, ten views of ten regions to one view": apart["cpu_s"] / one["cpu_s"],
        "memory, ten views of one region to one view": shared["rss_mb"] / one["rss_mb"],
    }
    if options.json:
        print(json.dumps({"figures": figures, "ratios": ratios}, indent=2))
        return
    for name, figure in figures.items():
        cpu = 1000 * figure["cpu_s"] / options.seconds
        print(f"{name:30} {cpu:6.1f} ms of a core a second, {figure['frames']:6.0f} labels, {figure['rss_mb']:6.1f} MB")
    for name, ratio in ratios.items():
        print(f"{name:60} {ratio:5.2f}")


if __name__ == "__main__":
    main()
