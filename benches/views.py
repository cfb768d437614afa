#!/usr/bin/env python3
"""Several cameras and several views beside one: memory, processor time, fairness, and what cameras that hang do to another one.

usage: benches/views.py [--binary FILE] [--seconds N] [--model NAME|FILE] [--json]

Each scenario is a daemon of its own whose cameras are programs that show the bundled photographs in 640x480, as MJPEG, without the gate (a
picture that has not changed is labelled again). The scenarios take turns, so that what else the machine does falls on all of them. The cameras
that hang are a program that is stopped after twenty frames, and a server that sends a byte a second. Of eight views beside one, the model costs
nothing, so that what the processor does is everything but inference. Needs ffmpeg and a quiet machine.
"""

import argparse
import datetime
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import free_network
from broker import free_port
from process import cpu_seconds, memory_mb

ROOT = pathlib.Path(__file__).resolve().parent.parent
WARM_UP_S = 5
ROUNDS = 3


# Writes the frames of a directory to standard output, so many a second, again and again.
PLAYER = """
import itertools, os, pathlib, signal, sys, time
frames = [path.read_bytes() for path in sorted(pathlib.Path(sys.argv[1]).glob("[0-9]*.jpg"))]
begun = time.monotonic()
for number in itertools.count():
    time.sleep(max(0, begun + number / float(sys.argv[2]) - time.monotonic()))
    sys.stdout.buffer.write(frames[number % len(frames)])
    sys.stdout.buffer.flush()
    if number == 20 and len(sys.argv) > 3:
        os.kill(os.getpid(), signal.SIGSTOP)
"""

HUNG_FPS = 10.0

# The name of a scenario, and its cameras, views of each and frames a second.
MUCH, OF_MUCH = "too much: four cameras with two views at 100 a second", (4, 2, 100.0)

# What is measured, and the most or the least that it may be.
LIMITS = {
    "memory, four cameras to one": ("at most", 1.5),
    "memory, four cameras to four processes": ("at most", 0.45),
    "processor time a frame, four cameras to one": ("at most", 1.05),
    "processor time outside of inference for a picture, eight views to one": ("at most", 2.5),
    "share of the view with the fewest turns, of its fair one": ("at least", 0.9),
    "age of the oldest label at more work than a core does, in rounds of all views": ("at most", 2.0),
    "p99 of a label's age, later beside cameras that hang, in frames": ("at most", 1.0),
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "target/release/glimpsed", type=pathlib.Path)
    parser.add_argument("--seconds", default=15, type=int, help="measured for each scenario and round (15)")
    parser.add_argument("--model", default="efficientnet-lite0-int8", help="a bundled model, or the file of one with ImageNet's labels")
    parser.add_argument("--json", action="store_true", help="for scripts")
    return parser.parse_args()


def configuration(directory, cameras, views, model, fps, port):
    """`cameras` cameras with `views` views each, which the tables `model` label."""
    text = [f'{model}[http]\nlisten = "127.0.0.1:{port}"\n[gate]\nmin_change = 0.0\n']
    for camera in range(cameras):
        command = json.dumps(["python3", "-c", PLAYER, str(directory), str(fps)])
        text.append(f'[cameras.c{camera}]\nsource = "command"\ncommand = {command}\n')
        for view in range(views):
            region = f"{{ x = {view / views / 2:.3f}, y = 0.0, width = 0.5, height = 1.0 }}"
            text.append(f'[views.v{camera}-{view}]\ncamera = "c{camera}"\n' + (f"region = {region}\n" if views > 1 else ""))
    return "".join(text)


class Daemon:
    """A daemon with the configuration that `text` makes of its port."""

    def __init__(self, options, directory, text, output=subprocess.DEVNULL):
        self.port = free_port()
        path = directory / f"{self.port}.toml"
        path.write_text(text(self.port))
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GLIMPSED_")}
        environment["STATE_DIRECTORY"] = str(directory / "state")
        self.process = subprocess.Popen(
            [options.binary, "run", "-c", path], env=environment, stdout=output, stderr=subprocess.DEVNULL
        )

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))

    def sample(self):
        """Processor seconds, labelled frames of each view, resident megabytes."""
        cpu, rss = cpu_seconds(self.process.pid), memory_mb(self.process.pid)["rss"]
        metrics = self.metrics()
        labelled = {
            key: float(value) for key, value in metrics.items() if key.startswith("glimpsed_end_to_end_latency_seconds_count")
        }
        return cpu, labelled, rss

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


def oldest(output):
    """The age of the oldest label when the next one took its place, in rounds of all views: from the capture of its frame."""
    views = {}
    for line in output.read_text().splitlines():
        label = json.loads(line)
        captured = datetime.datetime.fromisoformat(label["ts"]).timestamp()
        views.setdefault(label["view"], []).append((captured, captured + label["timing_ms"]["total"] / 1000))
    begun = min(labels[0][0] for labels in views.values())
    pairs = [pair for labels in views.values() for pair in itertools.pairwise(labels) if pair[0][0] > begun + WARM_UP_S]
    round_s = sum(after[1] - before[1] for before, after in pairs) / len(pairs)
    return max(after[1] - before[0] for before, after in pairs) / round_s


def drip():
    """The address of a server whose picture comes a byte a second."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(client):
        with client:
            try:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8")
                while True:
                    client.sendall(b"\xff")
                    time.sleep(1)
            except OSError:
                pass

    def serve():
        while True:
            threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/"


def ages(options, directory, model, hung):
    """Milliseconds from the capture of each frame of a camera to its label, while the cameras of the table `hung` hang beside it."""
    text = lambda port: configuration(directory, 1, 1, model, HUNG_FPS, port) + '[stdout]\nformat = "json"\n' + hung
    output = directory / "labels"
    with open(output, "wb") as file:
        daemon = Daemon(options, directory, text, file)
        time.sleep(WARM_UP_S + options.seconds)
        daemon.stop()
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    if not lines:
        sys.exit(f"views: nothing was labelled with {options.model}; `{options.binary} check` says why")
    return sorted(line["timing_ms"]["total"] for line in lines if line.get("view") == "v0-0")


def hung_cameras(directory):
    """Tables of the cameras that hang, each with a view."""
    stopped = json.dumps(["python3", "-c", PLAYER, str(directory), str(HUNG_FPS), "stop"])
    sources = {
        "stopped": f'source = "command"\ncommand = {stopped}\n',
        "drip": f'source = "http"\nurl = "{drip()}"\n',
    }
    return "".join(f'[cameras.{name}]\n{source}[views.of-{name}]\ncamera = "{name}"\n' for name, source in sources.items())


def measure(options, directory, processes, text, output=subprocess.DEVNULL):
    """The figures of so many daemons together."""
    daemons = [Daemon(options, directory, text, output) for _ in range(processes)]
    try:
        time.sleep(WARM_UP_S)
        before = [daemon.sample() for daemon in daemons]
        time.sleep(options.seconds)
        after = [daemon.sample() for daemon in daemons]
    finally:
        for daemon in daemons:
            daemon.stop()
    labels = [
        labelled - start[1].get(view, 0.0) for start, end in zip(before, after) for view, labelled in end[1].items()
    ]
    return {
        "cpu_s": sum(end[0] - start[0] for start, end in zip(before, after)),
        "frames": sum(labels),
        "least": min(labels),
        "most": max(labels),
        "rss_mb": sum(end[2] for end in after),
    }


def frames(directory):
    """The photographs as frames of 640x480."""
    photos = sorted((ROOT / "models/photos").glob("*.*g"))
    scale = "scale=640:480:force_original_aspect_ratio=increase,crop=640:480,format=yuvj420p"
    for number, photo in enumerate(photos):
        command = ["ffmpeg", "-loglevel", "error", "-y", "-i", photo, "-frames:v", "1", "-vf", scale, "-q:v", "4"]
        subprocess.run([*command, directory / f"{number:03}.jpg"], check=True)


def median(runs, key):
    return sorted(run[key] for run in runs)[len(runs) // 2]


def main():
    options = parse()
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary)
        frames(directory)
        report(options, *run(options, directory))


def model(named):
    """The tables of a bundled model, or of the file of one."""
    file = pathlib.Path(named).absolute()
    if not file.is_file():
        return f'[model]\nactive = "{named}"\n'
    return f'[model]\nactive = "given"\n[models.given]\npath = "{file}"\nfamily = "imagenet"\n'


def run(options, directory):
    """The runs of each scenario, and the ages of labels alone and beside cameras that hang."""
    real, free = model(options.model), free_network.write(directory)
    # Processes, cameras, views of each, frames a second, model.
    scenarios = {
        "one camera": (1, 1, 1, 10.0, real),
        "four cameras": (1, 4, 1, 10.0, real),
        "four processes": (4, 1, 1, 10.0, real),
        "eight views of one camera, free model": (1, 1, 8, 10.0, free),
        "one view, free model": (1, 1, 1, 10.0, free),
        MUCH: (1, *OF_MUCH, real),
    }
    runs = {name: [] for name in scenarios}
    p99 = {"alone": [], "beside cameras that hang": []}
    hung = hung_cameras(directory)
    for _ in range(ROUNDS):
        for name, tables in (("alone", ""), ("beside cameras that hang", hung)):
            found = ages(options, directory, real, tables)
            p99[name].append({"p99_ms": found[int(0.99 * len(found))], "labels": len(found)})
        for name, (processes, cameras, views, fps, tables) in scenarios.items():
            text = lambda port: configuration(directory, cameras, views, tables, fps, port)
            runs[name].append(measure(options, directory, processes, text))
        cameras, views, fps = OF_MUCH
        text = lambda port: configuration(directory, cameras, views, real, fps, port) + '[stdout]\nformat = "json"\n'
        with open(directory / "labels", "wb") as labels:
            measure(options, directory, 1, text, labels)
        runs[MUCH][-1]["oldest"] = oldest(directory / "labels")
    return runs, p99


def report(options, runs, p99):
    figures = {name: {key: median(of, key) for key in ("cpu_s", "frames", "least", "most", "rss_mb")} for name, of in runs.items()}
    for figure in figures.values():
        figure["cpu_ms_a_frame"] = 1000 * figure["cpu_s"] / figure["frames"]
    one, four, apart = (figures[name] for name in ("one camera", "four cameras", "four processes"))
    eight, single = figures["eight views of one camera, free model"], figures["one view, free model"]
    much = figures[MUCH]
    hanging = {name: median(of, "p99_ms") for name, of in p99.items()}
    ratios = {
        "memory, four cameras to one": four["rss_mb"] / one["rss_mb"],
        "memory, four cameras to four processes": four["rss_mb"] / apart["rss_mb"],
        "processor time a frame, four cameras to one": four["cpu_ms_a_frame"] / one["cpu_ms_a_frame"],
        "processor time outside of inference for a picture, eight views to one": eight["cpu_s"] / single["cpu_s"],
        "share of the view with the fewest turns, of its fair one": much["least"] / (much["frames"] / 8),
        "age of the oldest label at more work than a core does, in rounds of all views": median(runs[MUCH], "oldest"),
        "p99 of a label's age, later beside cameras that hang, in frames":
            (hanging["beside cameras that hang"] - hanging["alone"]) * HUNG_FPS / 1000,
    }
    missed = [f"{name}: {ratios[name]:.2f}, {bound} {limit}" for name, (bound, limit) in LIMITS.items()
              if (ratios[name] > limit if bound == "at most" else ratios[name] < limit)]
    if options.json:
        print(json.dumps({"figures": figures, "label_age": p99, "ratios": ratios, "missed": missed}, indent=2))
        sys.exit(1 if missed else 0)
    for name, figure in figures.items():
        print(
            f"{name:55} {figure['rss_mb']:6.1f} MB  {figure['cpu_ms_a_frame']:6.2f} ms of the processor a label, {figure['frames']:6.0f} labels"
        )
    for name, age in hanging.items():
        print(f"p99 of a label's age, {name:33} {age:6.1f} ms, {median(p99[name], 'labels')} labels")
    for name, ratio in ratios.items():
        print(f"{name:80} {ratio:5.2f}, {' '.join(map(str, LIMITS[name]))}")
    if missed:
        sys.exit("\n".join(["beyond its limit:", *missed]))


if __name__ == "__main__":
    main()
