#!/usr/bin/env python3
"""What teaching is worth, through the built program: `glimpsed teach` on some pictures of each class, `glimpsed classify` on the rest.

    cargo build --release && benches/teach.py --program target/release/glimpsed DIR...

Each DIR has a folder of pictures for each class. For each number of pictures a class, base and split (a seeded choice) it teaches, asks
for the held-out pictures, and prints a table in Markdown, or JSON with --json: balanced accuracy, by how many points the shown accuracy
is off, the error of the confidence (ECE, ten intervals), the share of held-out pictures that are called strange, and of foreign ones
(pictures of the other sets, and of --foreign), and how long it took to learn, folds included. Means over the splits.
"""

import argparse
import json
import random
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

PICTURES = {".jpg", ".jpeg", ".png"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--program", type=Path, default=Path("target/release/glimpsed"))
    parser.add_argument("--base", nargs="+", default=["efficientnet-lite0", "efficientnet-lite0-int8"])
    parser.add_argument("--each", nargs="+", type=int, default=[5, 10, 20, 50], help="pictures of a class")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--foreign", type=Path, help="a folder of pictures that belong to no set")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sets = {path.name: pictures(path) for path in arguments.sets}
    rows = []
    for name, classes in sets.items():
        others = [path for other, some in sets.items() if other != name for paths in some.values() for path in paths]
        foreign = random.Random(0).sample(others, min(30, len(others)))
        if arguments.foreign:
            foreign += sorted(path for path in arguments.foreign.iterdir() if path.suffix in PICTURES)
        for base in arguments.base:
            for each in arguments.each:
                # So that there is something left to ask for.
                if each >= min(map(len, classes.values())):
                    continue
                runs = [split(arguments.program, classes, foreign, base, each, seed) for seed in range(arguments.splits)]
                rows.append({"set": name, "base": base, "each": each, **mean(runs)})
                if not arguments.json:
                    show(rows[-1], heading=len(rows) == 1)
    if arguments.json:
        print(json.dumps(rows, indent=2))


def pictures(directory: Path) -> dict[str, list[Path]]:
    folders = sorted(path for path in directory.iterdir() if path.is_dir())
    return {folder.name: sorted(path for path in folder.iterdir() if path.suffix in PICTURES) for folder in folders}


def split(program: Path, classes: dict[str, list[Path]], foreign: list[Path], base: str, each: int, seed: int) -> dict:
    chosen = random.Random(seed)
    asked = []
    with tempfile.TemporaryDirectory() as place:
        album, taught = Path(place) / "album", Path(place) / "taught"
        for label, paths in classes.items():
            mixed = chosen.sample(paths, len(paths))
            (album / label).mkdir(parents=True)
            for number, path in enumerate(mixed[:each]):
                shutil.copy(path, album / label / f"{number:03}{path.suffix}")
            asked += [(label, path) for path in mixed[each:]]
        config = Path(place) / "glimpsed.toml"
        config.write_text(f'[teach]\ndirectory = "{taught}"\n')
        learnt = run(program, "teach", album, "--base", base, "-o", "bench", "--json", "-c", config)
        every = [path for _, path in asked] + foreign
        answers = run(program, "classify", "-k1", "--json", "--model", "bench", "-c", config, *every)
    return judge([label for label, _ in asked], answers[: len(asked)], answers[len(asked) :], learnt)


def judge(labels: list[str], answers: list[dict], foreign: list[dict], learnt: dict) -> dict:
    said = [(answer["top"][0]["label"], answer["top"][0]["confidence"]) for answer in answers]
    right = [label == own for label, (own, _) in zip(labels, said)]
    recall = [
        statistics.mean(hit for hit, own in zip(right, labels) if own == label) for label in sorted(set(labels))
    ]
    accuracy = statistics.mean(recall)
    bins = [[], [], [], [], [], [], [], [], [], []]
    for hit, (_, confidence) in zip(right, said):
        bins[min(9, int(confidence * 10))].append(confidence - hit)
    strange = {"held_out": answers, "foreign": foreign}
    shares = {
        f"strange_{name}": 100 * statistics.mean(answer["strange"] for answer in some)
        for name, some in strange.items()
        if some and "strange" in some[0]
    }
    return {
        "accuracy": 100 * accuracy,
        # Signed, so that the mean over splits is that of the estimate, and not of its noise.
        "shown_off": 100 * (learnt["accuracy"] - accuracy),
        "ece": 100 * sum(abs(sum(some)) for some in bins) / len(said),
        "learn_ms": learnt["timing_ms"]["learn"],
        "copies": learnt["copies"],
        **shares,
    }


def run(program: Path, *arguments: object) -> object:
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{program} {arguments[0]}: {done.stderr}")
    return json.loads(done.stdout)


def mean(runs: list[dict]) -> dict:
    return {key: round(statistics.mean(run[key] for run in runs), 1) for key in runs[0]}


def show(row: dict, heading: bool) -> None:
    columns = ["set", "base", "each", "accuracy", "shown_off", "ece", "strange_held_out", "strange_foreign", "learn_ms"]
    if heading:
        print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    print("| " + " | ".join(str(row.get(column, "-")) for column in columns) + " |", flush=True)


if __name__ == "__main__":
    main()
