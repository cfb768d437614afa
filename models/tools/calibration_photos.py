"""The pictures the 8-bit ranges are measured on, made from a few free photographs.

Calibration only needs activations of the usual size, not a thousand subjects, so a dozen photographs are seen at
several scales, places, mirrorings and brightnesses. Grey ones are in because a camera's night mode is grey; dark and
blown-out ones because a room is. Only photographs whose licence the package states are used.
"""

import io
import random
import zipfile
from collections.abc import Callable, Iterator

from PIL import Image, ImageEnhance, ImageOps

from reference import CROP_PX, resize_and_crop

COLOUR_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "retina.jpg", "rocket.jpg")
GREY_PHOTOS = ("brick.png", "camera.png", "clock_motion.png", "coins.png", "grass.png", "gravel.png")
COLOUR_VIEWS = 16
GREY_VIEWS = 4
SMALLEST_VIEW = 0.35
BRIGHTNESS = (0.5, 0.8, 1.0, 1.0, 1.3)


def photo_path(name: str) -> str:
    """Where a photograph is inside the scikit-image wheel."""
    return f"skimage/data/{name}"


def calibration_views(wheel: zipfile.ZipFile) -> Iterator[Image.Image]:
    """Yields 224x224 pictures, the same ones in the same order every time."""
    # random.Random keeps its sequence between Python versions for random() alone; choices are derived from that.
    draw = random.Random(0).random
    for names, views in ((COLOUR_PHOTOS, COLOUR_VIEWS), (GREY_PHOTOS, GREY_VIEWS)):
        for name in names:
            photo = Image.open(io.BytesIO(wheel.read(photo_path(name)))).convert("RGB")
            yield resize_and_crop(photo)
            for _ in range(views - 1):
                yield _view(photo, draw)


def _view(photo: Image.Image, draw: Callable[[], float]) -> Image.Image:
    side = round(min(photo.size) * (SMALLEST_VIEW + (1 - SMALLEST_VIEW) * draw()))
    left = int((photo.width - side) * draw())
    top = int((photo.height - side) * draw())
    view = photo.resize((CROP_PX, CROP_PX), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    if draw() < 0.5:
        view = ImageOps.mirror(view)
    return ImageEnhance.Brightness(view).enhance(BRIGHTNESS[int(draw() * len(BRIGHTNESS))])
