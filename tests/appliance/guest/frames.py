"""Turns a photograph into one raw video frame: the middle of it that has the frame's shape, scaled.

usage: frames.py PHOTO yuyv|nv12|rgb WIDTH HEIGHT FILE
"""

import sys

from PIL import Image, ImageOps


def yuyv(picture: Image.Image) -> bytes:
    luma, blue, red = planes(picture)
    packed = bytearray(2 * len(luma))
    packed[0::2] = luma
    packed[1::4] = blue[0::2]
    packed[3::4] = red[0::2]
    return bytes(packed)


def nv12(picture: Image.Image) -> bytes:
    luma, _, _ = planes(picture)
    _, blue, red = planes(picture.resize((picture.width // 2, picture.height // 2), Image.BOX))
    chroma = bytearray(2 * len(blue))
    chroma[0::2] = blue
    chroma[1::2] = red
    return luma + bytes(chroma)


def planes(picture: Image.Image) -> tuple[bytes, bytes, bytes]:
    """Luma and the colour differences in BT.601's limited range; Pillow's are JPEG's full range."""
    luma_limits = [16 + value * 219 / 255 for value in range(256)]
    colour_limits = [128 + (value - 128) * 224 / 255 for value in range(256)]
    limits = [round(value) for value in luma_limits + 2 * colour_limits]
    limited = picture.convert("YCbCr").point(limits)
    luma, blue, red = (plane.tobytes() for plane in limited.split())
    return luma, blue, red


FORMATS = {"yuyv": yuyv, "nv12": nv12, "rgb": lambda picture: picture.tobytes()}


def main() -> None:
    photo, format_name, width, height, target = sys.argv[1:]
    picture = ImageOps.fit(Image.open(photo).convert("RGB"), (int(width), int(height)), Image.BICUBIC)
    with open(target, "wb") as file:
        file.write(FORMATS[format_name](picture))


if __name__ == "__main__":
    main()
