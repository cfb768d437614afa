"""The whole pipeline as fast as it goes: CPU, memory, time to the first label, and whether both sides say the same."""

import argparse

from contender import progress
from peers.figures import columns, ratio, spread
from peers.material import Model
from peers.pipeline import HALF, OURS, THEIR_OWN, Setting, Stage, once


def measure(stage: Stage, models: list[Model], sizes: list[str], arguments: argparse.Namespace) -> list[dict]:
    """As fast as possible, each model and size, with both ways of decoding where a user has the choice."""
    results = []
    for model in models:
        for size in sizes:
            sides = [OURS, THEIR_OWN, HALF] if int(size.partition("x")[2]) >= 512 else [OURS, THEIR_OWN]
            runs: dict[str, list[dict]] = {side: [] for side in sides}
            for number in range(arguments.pipeline_rounds):
                for side in sides:
                    progress(f"{model.name} {size}, round {number + 1} of {arguments.pipeline_rounds}: {side}")
                    runs[side].append(once(stage, side, Setting(model, size), arguments.frames))
            progress("")
            results.append(summary(model, size, runs, pictures=stage.pictures(size)))
    return results


def summary(model: Model, size: str, runs: dict[str, list[dict]], pictures: int) -> dict:
    answers = {side: by_picture([found.pop("answers") for found in rounds], pictures) for side, rounds in runs.items()}
    told = {side: columns(rounds) for side, rounds in runs.items()}
    result = {"model": model.name, "size": size, "pictures": pictures, "sides": {}, "rounds": told}
    for side, values in told.items():
        result["sides"][side] = {
            "figures": {key: spread(column) for key, column in values.items()},
            "ratios": {key: ratio(told[OURS][key], column) for key, column in values.items() if all(column)},
            "agreement": agreement(answers[OURS], answers[side]),
        }
    return result


def by_picture(rounds: list[dict[int, tuple[int, float]]], pictures: int) -> dict[int, tuple[int, float]]:
    """The first frame is number 1 on both sides, and none is left out."""
    return {(number - 1) % pictures: answer for answers in rounds for number, answer in answers.items()}


def agreement(ours: dict[int, tuple[int, float]], theirs: dict[int, tuple[int, float]]) -> dict:
    both = sorted(ours.keys() & theirs.keys())
    apart = [
        {"picture": at, "ours": ours[at], "theirs": theirs[at]} for at in both if ours[at][0] != theirs[at][0]
    ]
    return {"pictures": len(both), "same": len(both) - len(apart), "apart": apart}
