"""Builds EfficientNet-Lite0 as an ONNX graph from its trained tensors.

Writing the graph out, rather than tracing it with a framework, gives a file with nothing in it but Conv, Clip, Add and
one Gemm: every runtime loads that, and BatchNorm costs nothing because it is folded into the convolution before it.
"""

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

INPUT_SIZE_PX = 224
CLASSES = 1000
BATCH_NORM_EPSILON = 1e-3
OPSET = 13
IR_VERSION = 8


@dataclass(frozen=True)
class Stage:
    """A run of inverted residual blocks; only the first of them strides."""

    repeat: int
    kernel: int
    stride: int
    expansion: int
    out_channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class _Feature:
    """A tensor under construction; maps are square, so one size does."""

    name: str
    channels: int
    size_px: int


def same_padding(size_px: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME: just enough for ceil(size / stride) outputs, the odd pixel at the end."""
    outputs = -(-size_px // stride)
    total = max((outputs - 1) * stride + kernel - size_px, 0)
    return total // 2, total - total // 2


@dataclass
class _GraphBuilder:
    tensors: dict[str, np.ndarray]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)

    def node(self, op: str, name: str, inputs: list[str], **attributes) -> str:
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def take(self, name: str) -> np.ndarray:
        """Hands a trained tensor out once, so that what is left at the end was forgotten."""
        return self.tensors.pop(name)

    def conv(self, x: _Feature, conv: str, norm: str, *, stride: int = 1, depthwise: bool = False) -> _Feature:
        """A convolution with the BatchNorm after it folded in, computed in f64 and rounded once."""
        weight = self.take(f"{conv}.weight").astype(np.float64)
        gamma, beta, mean, variance = (
            self.take(f"{norm}.{part}").astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")
        )
        self.take(f"{norm}.num_batches_tracked")
        scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        name = conv.removeprefix("_").replace("._", "/").replace(".", "/")
        parameters = [
            self.constant(f"{name}/weight", weight * scale[:, None, None, None]),
            self.constant(f"{name}/bias", beta - mean * scale),
        ]
        out_channels, _, kernel, _ = weight.shape
        begin, end = same_padding(x.size_px, kernel, stride)
        self.node(
            "Conv",
            name,
            [x.name, *parameters],
            group=x.channels if depthwise else 1,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[begin, begin, end, end],
        )
        return _Feature(name, out_channels, -(-x.size_px // stride))

    def relu6(self, x: _Feature) -> _Feature:
        return _Feature(self.node("Clip", f"{x.name}/relu6", [x.name, "zero", "six"]), x.channels, x.size_px)

    def block(self, x: _Feature, name: str, stage: Stage, stride: int) -> _Feature:
        """Widen, filter each channel in space, narrow; add the input back where the shape allows."""
        y = x
        if stage.expansion != 1:
            y = self.relu6(self.conv(y, f"{name}._expand_conv", f"{name}._bn0"))
        y = self.relu6(self.conv(y, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, depthwise=True))
        y = self.conv(y, f"{name}._project_conv", f"{name}._bn2")
        if stride != 1 or x.channels != y.channels:
            return y
        return _Feature(self.node("Add", f"{y.name}/residual", [y.name, x.name]), y.channels, y.size_px)


def build(tensors: dict[str, np.ndarray]) -> onnx.ModelProto:
    """Returns the fp32 model: `input` f32[batch,3,224,224] holding (x - 127) / 128, `logits` f32[batch,1000]."""
    graph = _GraphBuilder(dict(tensors))
    graph.constant("zero", np.float32(0))
    graph.constant("six", np.float32(6))

    x = graph.relu6(graph.conv(_Feature("input", 3, INPUT_SIZE_PX), "_conv_stem", "_bn0", stride=2))
    index = 0
    for stage in STAGES:
        for repeat in range(stage.repeat):
            x = graph.block(x, f"_blocks.{index}", stage, stage.stride if repeat == 0 else 1)
            index += 1
    x = graph.relu6(graph.conv(x, "_conv_head", "_bn1"))

    pooled = graph.node("GlobalAveragePool", "pool", [x.name])
    flat = graph.node("Flatten", "flatten", [pooled], axis=1)
    classifier = [
        graph.constant("classifier/weight", graph.take("_fc.weight")),
        graph.constant("classifier/bias", graph.take("_fc.bias")),
    ]
    graph.node("Gemm", "logits", [flat, *classifier], transB=1)
    if graph.tensors:
        raise ValueError(f"tensors the architecture has no place for: {sorted(graph.tensors)}")
    return _model(graph)


def _model(graph: _GraphBuilder) -> onnx.ModelProto:
    image = ["batch", 3, INPUT_SIZE_PX, INPUT_SIZE_PX]
    proto = helper.make_graph(
        graph.nodes,
        "efficientnet-lite0",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        graph.initializers,
    )
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="glimpsed")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model
