"""Makes the frames of a camera from photographs: JPEG, 4:2:2 as cameras send it, with the noise of a sensor.

usage: frames.py DIRECTORY WIDTHxHEIGHT... -- PHOTOGRAPH...
For each size a directory of files, and one MJPEG stream of them. The noise also keeps photographs that had to be enlarged
from being easier to decode than a camera's pictures.
"""

import sys
from pathlib import Path

import numpy
from PIL import Image, ImageOps

NOISE = 2.0
QUALITY = 85


def main() -> None:
    split = sys.argv.index("--")
    directory, sizes, photographs = Path(sys.argv[1]), sys.argv[2:split], sys.argv[split + 1 :]
    noise = numpy.random.default_rng(0)
    for size in sizes:
        width, height = map(int, size.split("x"))
        (directory / size).mkdir(parents=True, exist_ok=True)
        stream = b""
        for number, photograph in enumerate(photographs):
            picture = ImageOps.exif_transpose(Image.open(photograph)).convert("RGB")
            picture = ImageOps.fit(picture, (width, height), Image.Resampling.BICUBIC)
            pixels = numpy.asarray(picture) + noise.normal(0, NOISE, (height, width, 3))
            file = directory / size / f"{number:02}-{Path(photograph).stem}.jpg"
            picture = Image.fromarray(pixels.round().clip(0, 255).astype(numpy.uint8))
            picture.save(file, quality=QUALITY, subsampling="4:2:2")
            stream += file.read_bytes()
        (directory / f"{size}.mjpeg").write_bytes(stream)


if __name__ == "__main__":
    main()
