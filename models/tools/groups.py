#!/usr/bin/env python3
"""Writes imagenet-groups.toml: which of the 1000 ImageNet classes are cats, dogs, birds, ... by WordNet's hierarchy.

usage: groups.py WORDNET SYNSETS LABELS > imagenet-groups.toml

WORDNET is WordNet 3.0's `data.noun` (Debian package wordnet-base), SYNSETS the classes' WordNet numbers in class order
(`timm/data/_info/imagenet_synsets.txt` in the PyPI package timm), LABELS the classes' names in the same order. A class
belongs to the first group whose synset is the class's or one of its hypernyms.
"""

import json
import sys
from pathlib import Path

# The name people would use, and the synset, which is checked to have the lemma that stands behind it.
GROUPS = [
    ("cat", "n02121808", "domestic_cat"),
    ("big cat", "n02127808", "big_cat"),
    ("dog", "n02084071", "dog"),
    ("wolf", "n02114100", "wolf"),
    ("fox", "n02118333", "fox"),
    ("bear", "n02131653", "bear"),
    ("rabbit or hare", "n02323449", "lagomorph"),
    ("rodent", "n02329401", "rodent"),
    ("monkey", "n02484322", "monkey"),
    ("ape", "n02470325", "ape"),
    ("horse", "n02374451", "horse"),
    ("cattle", "n02402010", "bovine"),
    ("sheep", "n02411705", "sheep"),
    ("pig", "n02395003", "swine"),
    ("whale", "n02062744", "whale"),
    ("bird", "n01503061", "bird"),
    ("snake", "n01726692", "snake"),
    ("lizard", "n01674464", "lizard"),
    ("turtle", "n01662784", "turtle"),
    ("frog", "n01639765", "frog"),
    ("fish", "n02512053", "fish"),
    ("spider", "n01772222", "spider"),
    ("butterfly", "n02274259", "butterfly"),
    ("insect", "n02159955", "insect"),
    ("crab", "n01976957", "crab"),
    ("fungus", "n12992868", "fungus"),
    ("fruit", "n07705931", "edible_fruit"),
    ("bread", "n07679356", "bread"),
    ("car", "n02958343", "car"),
    ("truck", "n04490091", "truck"),
    ("bus", "n02924116", "bus"),
    ("bicycle", "n02834778", "bicycle"),
    ("motorcycle", "n03790512", "motorcycle"),
    ("locomotive", "n03684823", "locomotive"),
    ("boat", "n02858304", "boat"),
    ("ship", "n04194289", "ship"),
    ("aircraft", "n02686568", "aircraft"),
    ("ball", "n02778669", "ball"),
    ("bottle", "n02876657", "bottle"),
    ("clock", "n03046257", "clock"),
    ("computer", "n03082979", "computer"),
    ("telephone", "n04401088", "telephone"),
    ("camera", "n02942699", "camera"),
    ("seat", "n04161981", "seat"),
    ("hat", "n03497657", "hat"),
    ("shoe", "n04199027", "shoe"),
    ("musical instrument", "n03800933", "musical_instrument"),
]


def synsets(path: Path) -> dict[str, tuple[list[str], list[str]]]:
    """For each synset its lemmas and the synsets right above it, as wndb(5WN) describes the file."""
    found = {}
    for line in path.read_text().splitlines():
        if line.startswith(" "):
            continue
        fields = line.split(" | ")[0].split()
        words = int(fields[3], 16)
        lemmas = fields[4 : 4 + 2 * words : 2]
        pointers = fields[5 + 2 * words :]
        above = [
            "n" + pointers[4 * index + 1]
            for index in range(int(fields[4 + 2 * words]))
            if pointers[4 * index] in ("@", "@i")
        ]
        found["n" + fields[0]] = (lemmas, above)
    return found


def ancestors(synset: str, known: dict[str, tuple[list[str], list[str]]]) -> set[str]:
    found, open_ends = set(), [synset]
    while open_ends:
        synset = open_ends.pop()
        if synset not in found:
            found.add(synset)
            open_ends.extend(known[synset][1])
    return found


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__.split("\n\n")[1])
    known = synsets(Path(sys.argv[1]))
    classes = Path(sys.argv[2]).read_text().split()
    labels = Path(sys.argv[3]).read_text().rstrip("\n").split("\n")
    assert len(classes) == len(labels) == 1000
    for name, synset, lemma in GROUPS:
        assert lemma in known[synset][0], f"{name}: {synset} is {known[synset][0]}"
    above = [ancestors(synset, known) for synset in classes]
    taken: set[int] = set()
    print("# ImageNet classes that count as one label, by the hierarchy of WordNet 3.0; made by tools/groups.py.")
    for name, synset, _ in GROUPS:
        members = [index for index in range(1000) if synset in above[index] and index not in taken]
        assert members, name
        taken.update(members)
        key = name if name.isalnum() else json.dumps(name)
        print(f"{key} = {json.dumps([labels[index] for index in members])}")
    print(f"{len(taken)} classes in {len(GROUPS)} groups", file=sys.stderr)


if __name__ == "__main__":
    main()
