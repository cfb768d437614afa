"""A network that costs next to nothing, as ONNX: it looks at four pixels.

What a daemon with it takes of the processor is what it takes for everything but inference.
"""

import pathlib
import struct

CLASSES = 10
SIDE = 224
FLOAT = 1


def varint(number):
    digits = []
    while True:
        number, digit = number >> 7, number & 0x7F
        digits.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(digits)


def whole(field, number):
    return varint(field << 3) + varint(number)


def part(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def node(operator, inputs, output, *attributes):
    names = b"".join(part(1, name) for name in inputs) + part(2, output)
    return part(1, names + part(4, operator) + b"".join(part(5, attribute) for attribute in attributes))


def value(field, name, shape):
    dimensions = b"".join(part(1, whole(1, side)) for side in shape)
    return part(field, part(1, name) + part(2, part(1, whole(1, FLOAT) + part(2, dimensions))))


def weights(name, shape, numbers):
    dimensions = b"".join(whole(1, side) for side in shape)
    return part(5, dimensions + whole(2, FLOAT) + part(8, name) + part(9, struct.pack(f"<{len(numbers)}f", *numbers)))


def write(directory: pathlib.Path) -> str:
    """Writes the network and its labels, and returns the tables that make it the model of a daemon."""
    weight = [((row * 7 + column * 3) % 11 - 5) / 5 for row in range(CLASSES) for column in range(3)]
    strides = part(1, "strides") + whole(8, SIDE // 2) + whole(8, SIDE // 2) + whole(20, 7)
    graph = b"".join([
        node("Conv", ["picture", "weight", "bias"], "pixels", strides),
        node("GlobalAveragePool", ["pixels"], "means"),
        node("Flatten", ["means"], "sums"),
        node("Softmax", ["sums"], "shares"),
        part(2, "free"),
        weights("weight", [CLASSES, 3, 1, 1], weight),
        weights("bias", [CLASSES], [0.1 * number for number in range(CLASSES)]),
        value(11, "picture", [1, 3, SIDE, SIDE]),
        value(12, "shares", [1, CLASSES]),
    ])
    model = whole(1, 8) + part(7, graph) + part(8, whole(2, 13))
    (directory / "free.onnx").write_bytes(model)
    (directory / "free.txt").write_text("".join(f"label {number}\n" for number in range(CLASSES)))
    return (
        f'[model]\nactive = "free"\n[models.free]\npath = "{directory}/free.onnx"\nlabels = "{directory}/free.txt"\n'
        'family = "imagenet"\nscores = "softmax"\n'
    )
