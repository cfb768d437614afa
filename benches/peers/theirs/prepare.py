"""Decoding and preprocessing alone, as users of OpenCV, Pillow and turbojpeg write it (see benches/preparing.rs).

usage: prepare.py WAY decode|prepare DIRECTORY
"""

import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy
from lines import serve

MEAN, STD = 127 / 255, 128 / 255
SIDE = 224
# Of the shorter side, what the centre crop keeps: 224 pixels of 256.
KEPT = SIDE / 256


def centre(height: int, width: int) -> tuple[int, int, int]:
    """Left, top and side of the square that is looked at."""
    side = round(min(height, width) * KEPT)
    return (width - side) // 2, (height - side) // 2, side


def opencv(decode: Callable, interpolation: str) -> tuple[Callable, Callable]:
    import cv2

    cv2.setNumThreads(1)
    filter = {"area": cv2.INTER_AREA, "linear": cv2.INTER_LINEAR}[interpolation]

    def prepare(picture: numpy.ndarray) -> numpy.ndarray:
        left, top, side = centre(*picture.shape[:2])
        small = cv2.resize(picture[top : top + side, left : left + side], (SIDE, SIDE), interpolation=filter)
        mean = (255 * MEAN,) * 3
        return cv2.dnn.blobFromImage(small, 1 / (255 * STD), mean=mean, swapRB=True)

    return decode, prepare


def with_imdecode(flags: str, interpolation: str) -> tuple[Callable, Callable]:
    import cv2

    how = getattr(cv2, flags)
    return opencv(lambda frame: cv2.imdecode(numpy.frombuffer(frame, numpy.uint8), how), interpolation)


def with_turbojpeg(scale: tuple[int, int] | None) -> tuple[Callable, Callable]:
    """libjpeg-turbo decodes, OpenCV does the rest."""
    from turbojpeg import TJPF_BGR, TurboJPEG

    turbojpeg = TurboJPEG()
    return opencv(lambda frame: turbojpeg.decode(frame, pixel_format=TJPF_BGR, scaling_factor=scale), "area")


def pillow(draft: bool) -> tuple[Callable, Callable]:
    from PIL import Image

    def decode(frame: bytes) -> "Image.Image":
        picture = Image.open(BytesIO(frame))
        if draft:  # The smallest of 1/1, 1/2, 1/4 and 1/8 that is not smaller than this.
            picture.draft("RGB", (256, 256))
        picture.load()
        return picture

    def prepare(picture: "Image.Image") -> numpy.ndarray:
        left, top, side = centre(picture.height, picture.width)
        box = (left, top, left + side, top + side)
        small = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box)
        pixels = (numpy.asarray(small, numpy.float32) - numpy.float32(255 * MEAN)) * numpy.float32(1 / (255 * STD))
        return numpy.ascontiguousarray(pixels.transpose(2, 0, 1))

    return decode, prepare


WAYS = {
    "opencv": lambda: with_imdecode("IMREAD_COLOR", "area"),
    "opencv-linear": lambda: with_imdecode("IMREAD_COLOR", "linear"),
    "opencv-reduced": lambda: with_imdecode("IMREAD_REDUCED_COLOR_2", "area"),
    "pillow": lambda: pillow(draft=False),
    "pillow-draft": lambda: pillow(draft=True),
    "turbojpeg": lambda: with_turbojpeg(None),
    "turbojpeg-half": lambda: with_turbojpeg((1, 2)),
}


def main() -> None:
    way, steps, directory = sys.argv[1:]
    frames = [file.read_bytes() for file in sorted(Path(directory).glob("*.jpg"))]
    decode, prepare = WAYS[way]()
    turn = 0

    def run() -> numpy.ndarray | None:
        nonlocal turn
        picture = decode(frames[turn])
        turn = (turn + 1) % len(frames)
        return prepare(picture) if steps == "prepare" else None

    def means(_: str) -> str:
        nonlocal turn
        turn = 0
        return " ".join(f"{run().mean(dtype=float):.5f}" for _ in frames)

    serve(0.0, run, means)


if __name__ == "__main__":
    main()
