"""What is worked on: models, photographs, frames of a camera."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from contender import CHECKOUT, has

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
    labels = CHECKOUT / "models/imagenet-labels.txt"
    litert = shared("models/tf2_mobilenet_v2_1.0_224_ptq.tflite") if has(python, "ai_edge_litert") else None
    if path := shared("models/mobilenet-v2.onnx"):
        found.append(Model("mobilenet-v2", path, (0.5, 0.5), labels))
    if path := shared("models/mobilenet-v2-int8.onnx"):
        note = "another publisher's file of the same network" if litert else ""
        found.append(Model("mobilenet-v2-int8", path, (0.5, 0.5), labels, None, litert, note))
    if path := shared("models/mobilenet-v2-int8-nhwc-u8.onnx"):
        found.append(Model("mobilenet-v2-int8-nhwc-u8", path, litert=litert))
    if path := shared("models/mobilenet-v1.onnx"):
        found.append(Model("mobilenet-v1", path))
    tool = shared("tools/random_resnet18.py")
    if tool and has(python, "onnx"):
        path = directory / "resnet18-random.onnx"
        if not path.exists():
            subprocess.run([python, tool, path], check=True)
        found.append(Model("resnet18-random", path))
        quantised = directory / "resnet18-random-int8.onnx"
        if not quantised.exists():
            tool = CHECKOUT / "models/quantize.py"
            command = [python, tool, path, photographs()[0].parent, "--family", "imagenet", "-o", quantised]
            subprocess.run(command, check=True, stdout=sys.stderr)
        found.append(Model("resnet18-random-int8", quantised))
    return found


def with_ncnn(model: Model, python: Path, directory: Path) -> Model:
    """ncnn has a form of its own, which pnnx makes. It cannot read 8-bit ONNX: what comes out has layers that ncnn lacks."""
    if "int8" in model.name or not has(python, "ncnn"):
        return model
    directory = directory / "ncnn" / model.name
    made = directory / "model.ncnn"
    if not made.with_suffix(".ncnn.bin").exists():
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "model.onnx").write_bytes(model.path.read_bytes())
        # The program itself: the package around it wants torch. Weights stay in fp32, as they are in the ONNX file.
        script = """
import importlib.util, subprocess, sys
found = importlib.util.find_spec("pnnx")
program = found.submodule_search_locations[0] + "/pnnx" if found else "pnnx"
sys.exit(subprocess.run([program, "model.onnx", "inputshape=[1,3,224,224]", "fp16=0"]).returncode)
"""
        subprocess.run([python, "-c", script], cwd=directory, capture_output=True, text=True)
        if not made.with_suffix(".ncnn.bin").exists():
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
