"""A model alone, in a runtime that others make. Loads it, then answers lines (lines.py).

usage: model.py onnxruntime|ncnn|litert MODEL THREADS
"""

import sys
import time
from collections.abc import Callable

import numpy
from lines import serve


def picture(shape: list[int], kind: type) -> numpy.ndarray:
    """The same numbers that benches/inference.rs takes."""
    count = int(numpy.prod(shape))
    if kind == numpy.uint8:
        return (numpy.arange(count) % 251).astype(numpy.uint8).reshape(shape)
    return (numpy.arange(count) % 511 / 255.5 - 1).astype(numpy.float32).reshape(shape)


def onnxruntime(model: str, threads: int) -> Callable[[], numpy.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    declared = session.get_inputs()[0]
    shape = [side if isinstance(side, int) else 1 for side in declared.shape]
    feed = {declared.name: picture(shape, numpy.uint8 if "uint8" in declared.type else numpy.float32)}
    return lambda: session.run(None, feed)[0]


def ncnn(model: str, threads: int) -> Callable[[], numpy.ndarray]:
    """`model` is without the ending: what pnnx has made lies in two files."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    net.load_param(model + ".param")
    net.load_model(model + ".bin")
    # A Mat over numpy's memory: the array has to outlive it.
    pixels = picture([3, 224, 224], numpy.float32)
    mat = ncnn.Mat(pixels)

    def run() -> numpy.ndarray:
        extractor = net.create_extractor()
        extractor.input("in0", mat)
        return numpy.array(extractor.extract("out0")[1])

    run.pixels = pixels
    return run


def litert(model: str, threads: int) -> Callable[[], numpy.ndarray]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=model, num_threads=threads)
    interpreter.allocate_tensors()
    declared, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    pixels = picture(list(declared["shape"]), declared["dtype"])

    def run() -> numpy.ndarray:
        interpreter.set_tensor(declared["index"], pixels)
        interpreter.invoke()
        scores = interpreter.get_tensor(result["index"]).reshape(-1)
        # TensorFlow's models of ImageNet have a class for the background before all others.
        return scores[1:] if len(scores) == 1001 else scores

    return run


def main() -> None:
    runtime, model, threads = sys.argv[1:]
    start = time.perf_counter()
    run = {"onnxruntime": onnxruntime, "ncnn": ncnn, "litert": litert}[runtime](model, int(threads))
    run()
    load_ms = (time.perf_counter() - start) * 1000

    def best(_: str) -> str:
        scores = run().reshape(-1).astype(numpy.float32)
        return " ".join(str(index) for index in numpy.argsort(-scores, kind="stable")[:3])

    serve(load_ms, run, best)


if __name__ == "__main__":
    main()
