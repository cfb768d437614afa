"""The model alone: ours, onnxruntime, ncnn and LiteRT, each with one thread and with two."""

import argparse
from pathlib import Path

from contender import Contender, take_turns
from peers.figures import ratio, spread
from peers.material import THEIRS, Model
from work import Work

NAMES = {"onnxruntime": "onnxruntime", "ncnn": "ncnn", "litert": "LiteRT"}
# So long threads spin that wait for more work, and would take a core from the program that is next.
RESTLESS_SECONDS = 0.25


def measure(models: list[Model], bench: Path, python: Path, arguments: argparse.Namespace) -> list[dict]:
    return [one(model, bench, python, arguments) for model in models]


def one(model: Model, bench: Path, python: Path, arguments: argparse.Namespace) -> dict:
    # Contenders and their threads.
    field = [(Contender("glimpsed", [bench, "auto", model.path, str(threads)]), threads) for threads in (1, 2)]
    forms = {"onnxruntime": model.path, "ncnn": model.ncnn, "litert": model.litert}
    for threads in (1, 2):
        for runtime, file in forms.items():
            if file:
                command = [python, THEIRS / "model.py", runtime, file, str(threads)]
                rest = RESTLESS_SECONDS if threads > 1 else 0.0
                field.append((Contender(NAMES[runtime], command, rest_seconds=rest), threads))
    work = Work.of(field[0][0])
    peak = work.peak(bench)
    take_turns(model.name, [*(contender for contender, _ in field), *peak], arguments.rounds, arguments.runs)
    ours = {threads: medians(contender) for contender, threads in field[:2]}
    expected = field[0][0].ask("best")
    rows = []
    for contender, threads in field:
        theirs = medians(contender)
        rows.append({
            "runtime": contender.name,
            "threads": threads,
            "note": model.litert_note if contender.name == "LiteRT" else "",
            "ms": spread(theirs["ms"]),
            "cpu_ms": spread(theirs["cpu_ms"]),
            "ratio_ms": ratio(ours[threads]["ms"], theirs["ms"]),
            "ratio_cpu": ratio(ours[threads]["cpu_ms"], theirs["cpu_ms"]),
            "load_ms": contender.load_ms,
            "same_first": contender.ask("best").split()[0] == expected.split()[0],
            "peak_mb": contender.end() / 1024,
            "rounds": theirs,
        } | (work.beside(peak, spread(theirs["ms"])["median"], threads) if contender.name == "glimpsed" else {}))  # fmt: skip
    return {"model": model.name, "rows": rows}


def medians(contender: Contender) -> dict[str, list[float]]:
    """By round."""
    return {
        "ms": [spread(turn["ms"])["median"] for turn in contender.turns],
        "cpu_ms": [turn["cpu_ms"] for turn in contender.turns],
    }
