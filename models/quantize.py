#!/usr/bin/env python3
"""Quantises a classifier to 8 bits, with ranges measured on your own photographs: a quarter of the size, and faster where
the processor multiplies bytes.

    python3 -m venv quantize-venv && quantize-venv/bin/pip install -r models/requirements.txt
    glimpsed models inspect NAME --json | quantize-venv/bin/python models/quantize.py - PHOTOS -o NAME-int8.onnx
    quantize-venv/bin/python models/quantize.py MODEL.onnx PHOTOS --family imagenet -o MODEL-int8.onnx

PHOTOS is a directory of pictures like those that the camera will see, with or without sub-directories. A hundred are plenty;
of fewer, several views of each are taken. One in five is kept back, and on those the two models are compared. Sub-directories
that are named for what they show (`tabby`, or `tabby|tiger cat`) tell the accuracy of both, too.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import version_converter
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
    from PIL import Image, ImageOps
except ImportError as error:
    sys.exit(f"quantize.py: {error.name} is not installed; install what requirements.txt beside this file lists")

# Mean and deviation of a pixel scaled to 0..1, by colour; and whether blue comes first. As `family` in glimpsed.toml.
FAMILIES = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), False),
    "inception": ((0.5,) * 3, (0.5,) * 3, False),
    "efficientnet-lite": ((127 / 255,) * 3, (128 / 255,) * 3, False),
    "unit": ((0.0,) * 3, (1.0,) * 3, False),
    "bytes": ((0.0,) * 3, (1 / 255,) * 3, False),
    "caffe": ((0.48502, 0.457957, 0.407604), (1 / 255,) * 3, True),
}

# Per-channel weights need this operator set.
OPSET = 13
VIEWS = 100
MOST_PHOTOS = 500
SMALLEST_VIEW = 0.5
PICTURES = {".jpg", ".jpeg", ".png"}


class Mistake(Exception):
    """Something that whoever called it can mend."""


@dataclass
class Input:
    """How a picture becomes the model's tensor, as `glimpsed models inspect --json` tells it."""

    name: str
    height: int
    width: int
    planes: bool
    bytes: bool
    blue_first: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    # The shorter side in pixels before the centre is cut out; None stretches the whole picture.
    shorter: int | None

    def fit(self, photo: Image.Image) -> Image.Image:
        """As torchvision's Resize and CenterCrop have it."""
        size = (self.width, self.height)
        if self.shorter is None:
            return photo.resize(size, Image.Resampling.BILINEAR)
        width, height = photo.size
        scaled = (self.shorter, self.shorter * height // width) if width <= height else (self.shorter * width // height, self.shorter)
        photo = photo.resize(scaled, Image.Resampling.BILINEAR)
        left, top = (round((whole - part) / 2) for whole, part in zip(scaled, size))
        return photo.crop((left, top, left + self.width, top + self.height))

    def tensor(self, picture: Image.Image) -> np.ndarray:
        pixels = np.asarray(picture)
        if not self.bytes:
            pixels = ((pixels.astype(np.float32) / 255 - np.float32(self.mean)) / np.float32(self.std)).astype(np.float32)
        if self.blue_first:
            pixels = pixels[..., ::-1]
        if self.planes:
            pixels = pixels.transpose(2, 0, 1)
        return np.ascontiguousarray(pixels[None])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="an ONNX file, or - for what `glimpsed models inspect NAME --json` says on standard input")
    parser.add_argument("photos", type=Path, help="a directory of photographs")
    parser.add_argument("-o", "--output", type=Path, required=True, help="where the quantised model goes")
    parser.add_argument("--family", choices=sorted(FAMILIES), help="how the model is fed, for an ONNX file")
    parser.add_argument("--mean", type=float, nargs=3, metavar="M", help="instead of a family")
    parser.add_argument("--std", type=float, nargs=3, metavar="S", help="instead of a family")
    parser.add_argument("--stretch", action="store_true", help="the model is fed the whole picture, out of proportion")
    parser.add_argument("--labels", type=Path, default=Path(__file__).with_name("imagenet-labels.txt"), help="a label a line")
    arguments = parser.parse_args()
    try:
        quantize(arguments)
    except Mistake as mistake:
        sys.exit(f"quantize.py: {mistake}")


def quantize(arguments: argparse.Namespace) -> None:
    path, given = described(arguments)
    model = read(path)
    spec = input_of(model, arguments, given)
    photos = photographs(arguments.photos)
    if arguments.output.resolve() == path.resolve():
        raise Mistake("the quantised model would overwrite the model; name another file with -o")
    # One in five is for the comparison, unless there are too few to spare any.
    held = photos[4::5] if len(photos) >= 10 else photos
    calibration = [photo for photo in photos if photo not in held] if len(photos) >= 10 else photos
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch, "prepared.onnx")
        prepare(model, prepared)
        views = Views(spec, calibration)
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(scratch, "int8.onnx")
        quantize_static(
            prepared,
            unfinished,
            views,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        progress("", 0, 0)
        arguments.output.write_bytes(unfinished.read_bytes())
    compare(path, arguments, spec, held, kept_back=held is not photos)


def described(arguments: argparse.Namespace) -> tuple[Path, dict | None]:
    if arguments.model != "-":
        return Path(arguments.model), None
    try:
        told = json.load(sys.stdin)
        told = told[0] if isinstance(told, list) else told
        described = Path(told["path"]), told["input"]
    except (json.JSONDecodeError, KeyError, IndexError, TypeError):
        raise Mistake("what came on standard input is not what `glimpsed models inspect NAME --json` says") from None
    if told.get("to_set"):
        raise Mistake("; ".join(f"{described[0].name} {key['says']}" for key in told["to_set"]))
    return described


def read(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise Mistake(f"{path} is not there")
    try:
        model = onnx.load(path, load_external_data=False)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and onnx have several kinds of their own
        raise Mistake(f"{path} is not an ONNX model: {str(error).splitlines()[0]}") from None
    operators = {node.op_type for node in model.graph.node}
    if operators & {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger"}:
        raise Mistake(f"{path} is quantised already")
    return model


def input_of(model: onnx.ModelProto, arguments: argparse.Namespace, given: dict | None) -> Input:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in weights]
    if len(inputs) != 1:
        raise Mistake(f"a picture classifier has one input, this one has {len(inputs)}")
    tensor = inputs[0].type.tensor_type
    sides = [dimension.dim_value for dimension in tensor.shape.dim]
    if given is not None:
        crop = given["fit"].get("crop") if isinstance(given["fit"], dict) else None
        return Input(
            inputs[0].name,
            given["height"],
            given["width"],
            given["layout"] == "NCHW",
            given["element"] == "u8",
            given["channels"] == "BGR",
            tuple(given["mean"]),
            tuple(given["std"]),
            crop["shorter_px"] if crop else None,
        )
    if len(sides) != 4 or 3 not in (sides[1], sides[3]):
        raise Mistake(f"its input has the shape {sides}, which is no colour picture")
    planes = sides[1] == 3
    height, width = sides[2:] if planes else sides[1:3]
    if not (height and width):
        raise Mistake("it leaves its input size open; set `input` in glimpsed.toml and use `glimpsed models inspect NAME --json`")
    bytes_ = tensor.elem_type == onnx.TensorProto.UINT8
    if arguments.mean and arguments.std:
        mean, std, blue_first = tuple(arguments.mean), tuple(arguments.std), False
    elif arguments.family:
        mean, std, blue_first = FAMILIES[arguments.family]
    elif bytes_:
        mean, std, blue_first = (0.0,) * 3, (1.0,) * 3, False
    else:
        raise Mistake("the file does not say how its input is scaled; name its --family, or --mean and --std")
    # 256 for 224, as most models were tested.
    shorter = None if arguments.stretch else -(-max(height, width) * 256 // 224)
    return Input(inputs[0].name, height, width, planes, bytes_, blue_first, mean, std, shorter)


def photographs(directory: Path) -> list[Path]:
    if not directory.is_dir():
        raise Mistake(f"{directory} is not a directory")
    found = sorted(path for path in directory.rglob("*") if path.suffix.lower() in PICTURES and path.is_file())
    if not found:
        raise Mistake(f"{directory} holds no .jpg, .jpeg or .png file")
    if len(found) < 20:
        print(f"only {len(found)} photographs: more of them, as the camera sees them, make a better model", file=sys.stderr)
    # Which ones does not depend on the order in which they lie there.
    return sorted(random.Random(0).sample(found, MOST_PHOTOS)) if len(found) > MOST_PHOTOS else found


def opened(path: Path) -> Image.Image:
    try:
        return ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    except (OSError, Image.DecompressionBombError) as error:
        raise Mistake(f"{path}: {error}") from None


class Views(CalibrationDataReader):
    """The photographs as the model sees them; of few, parts and mirrorings as well."""

    def __init__(self, spec: Input, photos: list[Path]):
        self.spec = spec
        self.each = max(1, -(-VIEWS // len(photos)))
        self.total = self.each * len(photos)
        self.seen = 0
        self.views = self.draw(photos)

    def draw(self, photos: list[Path]) -> Iterator[Image.Image]:
        draw = random.Random(0).random
        for path in photos:
            photo = opened(path)
            yield self.spec.fit(photo)
            for _ in range(self.each - 1):
                side = SMALLEST_VIEW + (1 - SMALLEST_VIEW) * draw()
                width, height = max(1, int(photo.width * side)), max(1, int(photo.height * side))
                left, top = int((photo.width - width) * draw()), int((photo.height - height) * draw())
                part = photo.crop((left, top, left + width, top + height))
                yield self.spec.fit(ImageOps.mirror(part) if draw() < 0.5 else part)

    def get_next(self) -> dict[str, np.ndarray] | None:
        view = next(self.views, None)
        if view is None:
            return None
        self.seen += 1
        progress("measuring ranges", self.seen, self.total)
        return {self.spec.name: self.spec.tensor(view)}


def prepare(model: onnx.ModelProto, path: Path) -> None:
    """Normalisation goes into the convolutions, and old files get the operators that quantisation needs."""
    opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)
    if opset < OPSET:
        try:
            model = version_converter.convert_version(model, OPSET)
        except Exception as error:
            raise Mistake(f"opset {opset} cannot be converted to {OPSET}: {str(error).splitlines()[0]}") from None
    with tempfile.TemporaryDirectory() as scratch:
        unprepared = Path(scratch, "model.onnx")
        onnx.save(model, unprepared)
        onnxruntime.set_default_logger_severity(3)
        quant_pre_process(unprepared, path, skip_symbolic_shape=True)


def compare(path: Path, arguments: argparse.Namespace, spec: Input, photos: list[Path], kept_back: bool) -> None:
    sessions = [session(path), session(arguments.output)]
    labels = arguments.labels.read_text().splitlines() if arguments.labels.is_file() else []
    plain = [label.strip().lower().replace("_", " ") for label in labels]
    same, right, known = 0, [0, 0], 0
    for index, photo in enumerate(photos):
        progress("comparing", index + 1, len(photos))
        tensor = spec.tensor(spec.fit(opened(photo)))
        scores = [np.ravel(one.run(None, {spec.name: tensor})[0]) for one in sessions]
        best = [int(np.argmax(one)) for one in scores]
        same += best[0] == best[1]
        meant = [name.strip().lower().replace("_", " ") for name in photo.parent.name.split("|")]
        # A model with one class more than labels has a background class first.
        skipped = len(scores[0]) - len(plain)
        if skipped in (0, 1) and any(name in plain for name in meant):
            known += 1
            for model in (0, 1):
                label = best[model] - skipped
                right[model] += label >= 0 and plain[label] in meant
    progress("", 0, 0)
    whence = "that were kept back" if kept_back else "that also made the ranges, so expect less of others"
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes instead of {path.stat().st_size:,}")
    print(f"the same first label as before on {same} of {len(photos)} photographs {whence}")
    if known:
        print(f"right before on {right[0]} and now on {right[1]} of {known} photographs")


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # Without dot products of bytes (x86-64 before VNNI) onnxruntime saturates sums of pairs in 16 bits, unless it is told not to.
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def progress(what: str, done: int, total: int) -> None:
    """On a terminal only; nothing clears the line."""
    if sys.stderr.isatty():
        print(f"\r{what} {done}/{total}\x1b[K" if what else "\r\x1b[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
