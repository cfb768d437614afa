#!/usr/bin/env python3
"""What people teach with otherwise: a Keras MobileNetV2 that stays as it is, with a dense head of 128 on it, trained for 50 epochs, as
Frigate 0.17 does it. On the same pictures and splits as benches/teach.py.

    python3 -m venv target/keras && target/keras/bin/pip install tensorflow-cpu==2.21.0 onnx==1.22.0 pillow==12.0.0
    target/keras/bin/python benches/keras_head.py --weights mobilenet-v2.onnx --each 20 50 DIR...

The weights of the network are those of a MobileNet-v2 1.0 as ONNX, with an input from -1 to 1, because Keras' own come from an address that has to
be reached; Frigate takes Keras' smallest, of a third of the width, which is quicker and less right, and scales from 0 to 1. Everything else is Frigate's: the
head, the optimiser, the batch, the epochs, the network that looks at every picture in every epoch. Prints balanced accuracy (mean over the
splits), seconds and peak memory of a training, and what the packages take on the disk.
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from teach import pictures

# From -1 to 1, as Keras' MobileNetV2 was trained.
MEAN, STD = 0.5, 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="MobileNet-v2 as ONNX, batch normalisation folded")
    parser.add_argument("--each", nargs="+", type=int, default=[20, 50], help="pictures of a class")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--seed", type=int, help="one split alone, in this process")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        print(json.dumps(split(arguments.sets[0], arguments.weights, arguments.each[0], arguments.seed)))
        return
    packages = Path(sys.prefix)
    size = sum(file.lstat().st_size for file in packages.rglob("*") if file.is_file() and not file.is_symlink())
    print(f"{size / 1e6:.0f} MB of packages\n\n| set | each | accuracy, % | training, s | peak memory, MB |\n|---|---|---|---|---|", flush=True)
    for directory in arguments.sets:
        for each in arguments.each:
            runs = []
            for seed in range(arguments.splits):
                # A process each, so that its peak of memory is its own.
                command = [sys.executable, __file__, directory, "--weights", arguments.weights, "--each", str(each), "--seed", str(seed)]
                done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"})
                if done.returncode:
                    raise SystemExit(done.stderr)
                runs.append(json.loads(done.stdout.splitlines()[-1]))
            accuracy, seconds, memory = (statistics.mean(run[key] for run in runs) for key in ("accuracy", "seconds", "memory"))
            print(f"| {directory.name} | {each} | {accuracy:.1f} | {seconds:.0f} | {memory:.0f} |", flush=True)


def split(directory: Path, weights: Path, each: int, seed: int) -> dict:
    import keras
    import numpy as np

    keras.utils.set_random_seed(seed)
    folders = pictures(directory)
    chosen, taught, asked = random.Random(seed), [], []
    for number, paths in enumerate(folders.values()):
        mixed = chosen.sample(paths, len(paths))
        taught += [(path, number) for path in mixed[:each]]
        asked += [(path, number) for path in mixed[each:]]
    images = np.stack([picture(path) for path, _ in taught])
    labels = keras.utils.to_categorical([label for _, label in taught], len(folders))
    begun = time.monotonic()
    base = network(weights)
    base.trainable = False
    model = keras.Sequential([
        base,
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(len(folders), activation="softmax"),
    ])
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001), loss="categorical_crossentropy")
    model.fit(images, labels, batch_size=16, epochs=50, verbose=0)
    seconds = time.monotonic() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    said = model.predict(np.stack([picture(path) for path, _ in asked]), batch_size=16, verbose=0).argmax(1)
    truth = np.array([label for _, label in asked])
    recall = [float((said[truth == number] == number).mean()) for number in range(len(folders))]
    return {"accuracy": 100 * statistics.mean(recall), "seconds": seconds, "memory": memory}


def picture(path: Path):
    """As Keras' `flow_from_directory` reads it: stretched to the input. The scaling is the network's."""
    import numpy as np
    from PIL import Image

    pixels = np.asarray(Image.open(path).convert("RGB").resize((224, 224), Image.NEAREST), np.float32) / 255
    return (pixels - MEAN) / STD


def network(file: Path):
    """The convolutions of an ONNX file as a Keras model, up to the pooling."""
    import keras
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(file)).graph
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    start = keras.Input((224, 224, 3))
    values, weights = {graph.input[0].name: start}, []
    for node in graph.node:
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type == "Conv":
            kernel = constants[node.input[1]]
            value, (top, left, bottom, right) = values[node.input[0]], attributes["pads"]
            if any((top, left, bottom, right)):
                value = keras.layers.ZeroPadding2D(((top, bottom), (left, right)))(value)
            shape = {"kernel_size": kernel.shape[2:], "strides": attributes["strides"]}
            if attributes["group"] == 1:
                layer = keras.layers.Conv2D(kernel.shape[0], **shape)
                weights.append((layer, [kernel.transpose(2, 3, 1, 0), constants[node.input[2]]]))
            else:
                layer = keras.layers.DepthwiseConv2D(**shape)
                weights.append((layer, [kernel.transpose(2, 3, 0, 1), constants[node.input[2]]]))
            values[node.output[0]] = layer(value)
        elif node.op_type == "Clip":
            values[node.output[0]] = keras.layers.ReLU(max_value=6.0)(values[node.input[0]])
        elif node.op_type == "Add":
            values[node.output[0]] = keras.layers.Add()([values[name] for name in node.input])
        elif node.op_type in ("GlobalAveragePool", "ReduceMean"):
            model = keras.Model(start, values[node.input[0]])
            for layer, own in weights:
                layer.set_weights(own)
            return model
        elif node.op_type == "Constant":
            constants[node.output[0]] = numpy_helper.to_array(attributes["value"])
    raise SystemExit(f"{file} has no pooling behind its convolutions")


if __name__ == "__main__":
    main()
