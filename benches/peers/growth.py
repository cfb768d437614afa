"""How cost grows: with resolution, frame rate, threads, and time."""

import argparse
import os
import time

from contender import progress
from peers.figures import columns, ratio, spread
from peers.material import Model
from peers.pipeline import OURS, THEIR_OWN, Setting, Stage, once
from process import cpu_seconds, memory_mb

SIZES = ["320x240", "640x480", "1280x720", "1920x1080"]
RATES = [1.0, 5.0, 10.0, 20.0, 30.0]
SIDES = [OURS, THEIR_OWN]
# What is told of each run; the rest is in the JSON only.
TOLD = ["fps", "cpu_ms", "outside_ms", "core_percent", "rss_mb", "waited"]
SAMPLES = 60


def alternate(stage: Stage, title: str, settings: list[Setting], frames: list[int], rounds: int) -> list[dict]:
    """Both sides in turn, for each setting, again and again."""
    runs: dict[tuple[int, str], list[dict]] = {}
    for number in range(rounds):
        for at, setting in enumerate(settings):
            for side in SIDES:
                progress(f"{title} {at + 1} of {len(settings)}, round {number + 1} of {rounds}: {side}")
                found = once(stage, side, setting, frames[at], warm_up=min(10, frames[at]))
                runs.setdefault((at, side), []).append({key: found[key] for key in TOLD})
    progress("")
    return [row(setting, [columns(runs[at, side]) for side in SIDES]) for at, setting in enumerate(settings)]


def row(setting: Setting, sides: list[dict[str, list[float]]]) -> dict:
    found = {side: {key: spread(values) for key, values in told.items()} for side, told in zip(SIDES, sides, strict=True)}
    ratios = {key: ratio(sides[0][key], sides[1][key]) for key in ("fps", "cpu_ms", "outside_ms", "rss_mb")}
    setting_ = {"model": setting.model.name, "size": setting.size, "fps": setting.fps, "threads": setting.threads}
    return {"setting": setting_, "sides": found, "ratios": ratios}


def with_resolution(stage: Stage, model: Model, arguments: argparse.Namespace) -> list[dict]:
    settings = [Setting(model, size) for size in SIZES]
    return alternate(stage, "resolution", settings, [arguments.frames // 2] * len(settings), arguments.growth_rounds)


def with_rate(stage: Stage, model: Model, arguments: argparse.Namespace) -> list[dict]:
    rates = RATES if not arguments.quick else [1.0, 10.0, 30.0]
    settings = [Setting(model, "640x480", fps) for fps in rates]
    frames = [max(3, round(fps * arguments.seconds)) for fps in rates]
    return alternate(stage, "frame rate", settings, frames, arguments.growth_rounds)


def at_ten(stage: Stage, models: list[Model], sizes: list[str], arguments: argparse.Namespace) -> list[dict]:
    """The pace of a camera's default."""
    settings = [Setting(model, size, 10.0) for model in models for size in sizes]
    frames = [round(10 * arguments.seconds)] * len(settings)
    return alternate(stage, "10 frames a second", settings, frames, arguments.growth_rounds)


def with_threads(stage: Stage, model: Model, arguments: argparse.Namespace) -> list[dict]:
    cores = len(os.sched_getaffinity(0))
    settings = [Setting(model, "640x480", threads=threads) for threads in range(1, min(cores, 4) + 1)]
    return alternate(stage, "threads", settings, [arguments.frames] * len(settings), arguments.growth_rounds)


def with_time(stage: Stage, model: Model, hours: float) -> list[dict]:
    """Both at once at ten frames a second, so that both see the same hours; ten percent of the machine is enough for that."""
    setting = Setting(model, "640x480", 10.0)
    running = {side: stage.start(side, setting) for side in SIDES}
    try:
        began = time.monotonic()
        cpu = {side: cpu_seconds(one.process.pid) for side, one in running.items()}
        rows: list[dict] = []
        for number in range(1, SAMPLES + 1):
            while time.monotonic() < began + 3600 * hours * number / SAMPLES:
                time.sleep(max(0.0, min(1.0, began + 3600 * hours * number / SAMPLES - time.monotonic())))
                stage.forget()
            row = {"minutes": (time.monotonic() - began) / 60}
            for side, one in running.items():
                now = cpu_seconds(one.process.pid)
                row[side] = {"cpu_seconds": now - cpu[side], "rss_mb": memory_mb(one.process.pid)["rss"]}
            rows.append(row)
            progress(f"time: {row['minutes']:.1f} of {60 * hours:.1f} minutes")
        progress("")
        return rows
    finally:
        for one in running.values():
            one.end()
