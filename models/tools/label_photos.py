"""Prints what a model sees in pictures: the check behind the accuracy notes in the README.

    ~/.cache/glimpsed/models-venv/bin/python models/tools/label_photos.py models/efficientnet-lite0.onnx PICTURE...
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from reference import efficientnet_input, load_model, resize_and_crop

TOP_K = 3


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="one of the bundled models; its labels lie beside it")
    parser.add_argument("pictures", type=Path, nargs="+")
    arguments = parser.parse_args()

    labels = (arguments.model.parent / "imagenet-labels.txt").read_text().splitlines()
    run = load_model(str(arguments.model))
    for picture in arguments.pictures:
        image = resize_and_crop(Image.open(picture))
        (logits,) = run.run(["logits"], {"input": efficientnet_input(image)})
        probabilities = softmax(logits[0])
        best = np.argsort(-probabilities, kind="stable")[:TOP_K]
        print(f"{picture.name:20}", "   ".join(f"{labels[i]} {probabilities[i]:.3f}" for i in best))


if __name__ == "__main__":
    main()
