"""Turns the 1000 ImageNet synonym lists into 1000 short, distinct labels.

A label ends up in MQTT payloads and Home Assistant rules, so it has to be one short name, and no two classes may share
it: an automation on "crane" must not fire for both the bird and the machine.
"""

import json

CLASSES = 1000

# Classes whose first synonym another class has too; everything else keeps its first synonym.
DISTINCT_NAMES = {
    134: "crane (bird)",
    517: "crane (machine)",
    639: "tank suit",
}


def labels_from_synonyms(synonyms_json: bytes) -> list[str]:
    """Takes `{"0": "tench, Tinca tinca", ...}` and returns the labels in class order."""
    synonyms = {int(class_id): names for class_id, names in json.loads(synonyms_json).items()}
    if sorted(synonyms) != list(range(CLASSES)):
        raise ValueError(f"expected classes 0 to {CLASSES - 1}, found {len(synonyms)} entries")
    labels = [DISTINCT_NAMES.get(class_id, synonyms[class_id].split(",")[0]) for class_id in range(CLASSES)]

    faulty = [label for label in labels if not label or label != label.strip() or labels.count(label) > 1]
    if faulty:
        raise ValueError(f"labels that are empty, padded or not unique: {faulty}")
    return labels
