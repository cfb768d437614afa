"""What is worked on: models, photographs, frames of a camera."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from contender import CHECKOUT

# Models and photographs that may not be redistributed; figures without them are for the bundled ones alone.
SHARED = CHECKOUT.parent / "shared"
THEIRS = CHECKOUT / "benches/peers/theirs"


@dataclass(frozen=True)
class Model:
    name: str
    path: Path
    # Of the input, in units of 0..1; nothing, where the model is only timed.
    scaling: tuple[float, float] | None = None
    labels: Path | None = None
    # The same network for other runtimes, as far as it has a form for them.
    ncnn: Path | None = None
    litert: Path | None = None
    litert_note: str = ""


def shared(name: str) -> Path | None:
    path = SHARED / name
    if path.exists():
        return path
    print(f"SKIPPED: {name} is not in {SHARED}, so there are no figures with it", file=sys.stderr)
    return None


def bundled() -> list[Model]:
    labels = CHECKOUT / "models/imagenet-labels.txt"
    scaling = (127 / 255, 128 / 255)
    return [
        Model(name, CHECKOUT / f"models/{name}.onnx", scaling, labels)
        for name in ("efficientnet-lite0", "efficientnet-lite0-int8")
    ]


def others(python: Path, directory: Path) -> list[Model]:
    """Those that are not bundled, as far as they are here."""
    found = []
    for name in ("mobilenet-v2", "mobilenet-v2-int8"):
        if path := shared(f"models/{name}.onnx"):
            litert = shared("models/tf2_mobilenet_v2_1.0_224_ptq.tflite") if name.endswith("int8") else None
            note = "another publisher's file of the same network" if litert else ""
            found.append(Model(name, path, (0.5, 0.5), CHECKOUT / "models/imagenet-labels.txt", None, litert, note))
    if path := shared("models/mobilenet-v1.onnx"):
        found.append(Model("mobilenet-v1", path))
    if tool := shared("tools/random_resnet18.py"):
        path = directory / "resnet18-random.onnx"
        if not path.exists():
            subprocess.run([python, tool, path], check=True)
        found.append(Model("resnet18-random", path))
    return found


def with_ncnn(model: Model, python: Path, directory: Path) -> Model:
    """ncnn has a form of its own, which pnnx makes. It cannot read 8-bit ONNX: what comes out has layers that ncnn lacks."""
    if model.name.endswith("int8"):
        return model
    directory = directory / "ncnn" / model.name
    made = directory / "model.ncnn"
    if not made.with_suffix(".ncnn.bin").exists():
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "model.onnx").write_bytes(model.path.read_bytes())
        find = "import importlib.util; print(importlib.util.find_spec('pnnx').submodule_search_locations[0])"
        package = subprocess.run([python, "-c", find], check=True, capture_output=True, text=True).stdout.strip()
        # Weights stay in fp32, as they are in the ONNX file.
        command = [f"{package}/pnnx", "model.onnx", "inputshape=[1,3,224,224]", "fp16=0"]
        converted = subprocess.run(command, cwd=directory, capture_output=True, text=True)
        if converted.returncode or not made.with_suffix(".ncnn.bin").exists():
            print(f"SKIPPED: pnnx could not convert {model.name}, so ncnn has no figures with it", file=sys.stderr)
            return model
    return Model(**model.__dict__ | {"ncnn": made})


def photographs() -> list[Path]:
    directory = shared("photos") or CHECKOUT / "models/photos"
    return [path for path in sorted(directory.iterdir()) if path.suffix in (".jpg", ".png")]


def frames(python: Path, directory: Path, sizes: list[str]) -> Path:
    """A directory that has, for each size, a directory of frames and an MJPEG stream of them."""
    made = directory / "frames"
    sources = photographs()
    stamp = made / "made-of"
    wanted = " ".join([*sizes, "--", *(str(path) for path in sources)])
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([python, THEIRS / "frames.py", made, *sizes, "--", *sources], check=True)
        stamp.write_text(wanted)
    return made
