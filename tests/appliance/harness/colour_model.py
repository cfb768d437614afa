"""A classifier that costs nothing: it names the picture whose mean colour is nearest.

The real model takes most of a minute to load under emulation, so only the scenarios about labels use it; those about
faults need many frames in little time. The file is ONNX (a protocol buffer), written by hand: four operators.
"""

import struct
from collections.abc import Iterable
from pathlib import Path

# Mean RGB of the middle of each photograph, and of what vivid shows when nothing is looped: 75 % colour bars.
COLOURS = {
    "coffee": (161, 86, 51),
    "chelsea": (148, 111, 85),
    "rocket": (52, 63, 87),
    "bars": (96, 96, 96),
    "black": (0, 0, 0),
}
SIDE_PX = 32
# A difference of one in squared distance (colours from 0 to 1) is this much in logits.
SHARPNESS = 150.0


def write(model: Path, labels: Path) -> None:
    """Writes the ONNX file and its labels, a line each."""
    # -|x - c|^2 and 2cx - |c|^2 differ by |x|^2, which is the same for every class.
    centres = [[channel / 255 for channel in colour] for colour in COLOURS.values()]
    weights = [2 * SHARPNESS * centre[channel] for channel in range(3) for centre in centres]
    bias = [-SHARPNESS * sum(value * value for value in centre) for centre in centres]
    graph = (
        _nodes([
            ("GlobalAveragePool", ["picture"], "mean"),
            ("Flatten", ["mean"], "colour"),
            ("MatMul", ["colour", "weights"], "product"),
            ("Add", ["product", "bias"], "logits"),
        ])
        + _text(2, "colour")
        + _block(5, _tensor("weights", [3, len(centres)], weights))
        + _block(5, _tensor("bias", [len(centres)], bias))
        + _block(11, _value("picture", [1, 3, SIDE_PX, SIDE_PX]))
        + _block(12, _value("logits", [1, len(centres)]))
    )  # fmt: skip
    opset = _text(1, "") + _number(2, 13)
    model.write_bytes(_number(1, 8) + _block(7, graph) + _block(8, opset))
    labels.write_text("".join(f"{label}\n" for label in COLOURS))


def _nodes(nodes: Iterable[tuple[str, list[str], str]]) -> bytes:
    encoded = b""
    for operator, inputs, output in nodes:
        names = b"".join(_text(1, name) for name in inputs)
        encoded += _block(1, names + _text(2, output) + _text(3, output) + _text(4, operator))
    return encoded


def _tensor(name: str, shape: list[int], values: list[float]) -> bytes:
    dimensions = b"".join(_number(1, size) for size in shape)
    return dimensions + _number(2, 1) + _text(8, name) + _block(9, struct.pack(f"<{len(values)}f", *values))


def _value(name: str, shape: list[int]) -> bytes:
    dimensions = b"".join(_block(1, _number(1, size)) for size in shape)
    return _text(1, name) + _block(2, _block(1, _number(1, 1) + _block(2, dimensions)))


def _text(field: int, text: str) -> bytes:
    return _block(field, text.encode())


def _block(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
