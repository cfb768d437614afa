"""The input convention in numpy and Pillow, against which the Rust preprocessing is checked.

The steps and the rounding are those of torchvision's `Resize(256)` and `CenterCrop(224)` on a Pillow image, the
evaluation protocol most ImageNet models publish their accuracy with.
"""

import numpy as np
import onnxruntime
from PIL import Image

RESIZE_PX = 256
CROP_PX = 224


def resize_and_crop(image: Image.Image) -> Image.Image:
    """Shorter side to 256 px, bilinear with antialiasing, then the central 224x224; always RGB."""
    image = image.convert("RGB")
    width, height = image.size
    if width <= height:
        size = RESIZE_PX, int(RESIZE_PX * height / width)
    else:
        size = int(RESIZE_PX * width / height), RESIZE_PX
    image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = (int(round((side - CROP_PX) / 2.0)) for side in size)
    return image.crop((left, top, left + CROP_PX, top + CROP_PX))


def stretch(image: Image.Image) -> Image.Image:
    """The whole picture at 224x224, its proportions lost."""
    return image.convert("RGB").resize((CROP_PX, CROP_PX), Image.Resampling.BILINEAR)


def efficientnet_input(image: Image.Image) -> np.ndarray:
    """f32[1,3,224,224] holding (x - 127) / 128, from a 224x224 RGB picture."""
    pixels = np.asarray(image, np.float32)
    return ((pixels - 127) / 128).transpose(2, 0, 1)[None].copy()


def load_model(model: str | bytes) -> onnxruntime.InferenceSession:
    """One thread on the CPU, so that sums are added up in the same order every time."""
    options = onnxruntime.SessionOptions()
    # Without dot products of bytes (x86-64 before VNNI) onnxruntime saturates sums of pairs in 16 bits, unless it is told not to.
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
