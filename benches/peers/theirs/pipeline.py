"""What a user would run instead of glimpsed: OpenCV decodes, onnxruntime infers, paho publishes the three best labels.

Takes the frames of an MJPEG stream in turn, for ever. Written with care and without tricks: one thread for each library
unless told otherwise, no copy that is not needed, the normalisation in OpenCV's own loop.
"""

import argparse
import itertools
import json
import time
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy
import onnxruntime
from paho.mqtt import client as mqtt
from prepare import SIDE, centre

DECODERS = {"whole": cv2.IMREAD_COLOR, "half": cv2.IMREAD_REDUCED_COLOR_2}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--mean", type=float, required=True, help="of the input, in units of 0..1, for all colours")
    parser.add_argument("--std", type=float, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--stream", type=Path, required=True)
    parser.add_argument("--fps", type=float, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--decoder", choices=DECODERS, default="whole")
    return parser.parse_args()


def split(stream: bytes) -> list[bytes]:
    """Its pictures; one ends where the next begins."""
    pictures = stream.split(b"\xff\xd9\xff\xd8")
    return [
        (b"\xff\xd8" if number else b"") + picture + (b"" if picture is pictures[-1] else b"\xff\xd9")
        for number, picture in enumerate(pictures)
    ]


def milliseconds(start: float, end: float) -> float:
    return round(1000 * (end - start), 3)


def main() -> None:
    arguments = parse()
    cv2.setNumThreads(arguments.threads)
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", arguments.port)
    client.loop_start()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = arguments.threads, 1
    session = onnxruntime.InferenceSession(arguments.model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    labels = arguments.labels.read_text().splitlines()
    frames = split(arguments.stream.read_bytes())
    how, scale, mean = DECODERS[arguments.decoder], 1 / (255 * arguments.std), (255 * arguments.mean,) * 3
    due, interval = time.perf_counter(), 1 / arguments.fps
    for number in itertools.count(1):
        time.sleep(max(0.0, due - time.perf_counter()))
        begun = time.perf_counter()
        due = max(due + interval, begun)
        frame = numpy.frombuffer(frames[(number - 1) % len(frames)], numpy.uint8)

        picture = cv2.imdecode(frame, how)
        decoded = time.perf_counter()

        left, top, side = centre(*picture.shape[:2])
        square = picture[top : top + side, left : left + side]
        small = cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        tensor = cv2.dnn.blobFromImage(small, scale, mean=mean, swapRB=True)
        prepared = time.perf_counter()

        scores = session.run(None, {name: tensor})[0][0]
        likely = numpy.exp(scores - scores.max())
        likely /= likely.sum()
        best = numpy.argpartition(likely, -3)[-3:]
        best = best[numpy.argsort(-likely[best])]
        inferred = time.perf_counter()

        top = [{"label": labels[at], "class_id": int(at), "confidence": round(float(likely[at]), 4)} for at in best]
        message = {
            "v": 1,
            "ts": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "camera": "main",
            "seq": number,
            "model": {"name": arguments.model},
            "label": top[0]["label"],
            "confidence": top[0]["confidence"],
            "top": top,
            "timing_ms": {
                "decode": milliseconds(begun, decoded),
                "preprocess": milliseconds(decoded, prepared),
                "infer": milliseconds(prepared, inferred),
                "total": milliseconds(begun, inferred),
            },
        }
        client.publish(arguments.topic, json.dumps(message), qos=0)


if __name__ == "__main__":
    main()
