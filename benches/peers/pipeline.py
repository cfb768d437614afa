"""The whole way from a camera's bytes to a label at the broker: glimpsed, and the program that a user would write instead.

Both take the frames of the same MJPEG stream in turn, label each of them, and publish to the same mosquitto with QoS 0. What
counts as labelled is what a subscriber has received. glimpsed does what it does otherwise, too: it serves its page, decides on
a stable label and publishes that, tells Home Assistant of itself, and looks at each picture's brightness.
"""

import json
import queue
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from broker import free_port, start_broker
from peers.material import THEIRS, Model
from process import cpu_seconds, memory_mb, scheduled

OURS, THEIR_OWN = "glimpsed", "python"
# The same with OpenCV decoding to half the size, where that leaves enough.
HALF = "python-half"
PATIENCE_SECONDS = 60.0
FAST = 1000.0


@dataclass(frozen=True)
class Setting:
    """What is run."""

    model: Model
    size: str
    fps: float = FAST
    threads: int = 1


class Stage:
    """A broker, and a subscriber that takes down when each label arrives."""

    def __init__(self, directory: Path, binary: Path, python: Path, frames: Path):
        self.directory, self.binary, self.python, self.frames = directory, binary, python, frames
        self.broker, self.port = start_broker(directory)
        # Its clock says when a message has come, however busy this program is.
        self.subscriber = subprocess.Popen(
            ["mosquitto_sub", "-p", str(self.port), "-t", "peers/+/classification", "-F", "%t\t%U\t%p"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.arrivals: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()
        self.turn = 0
        self.await_subscriber()

    def listen(self) -> None:
        for line in self.subscriber.stdout:
            self.arrivals.put(line)

    def await_subscriber(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.arrivals.empty():
            if time.monotonic() > deadline:
                raise SystemExit("mosquitto_sub hears nothing")
            subprocess.run(["mosquitto_pub", "-p", str(self.port), "-t", "peers/probe/classification", "-m", ""], check=True)
            time.sleep(0.05)

    def arrival(self, topic: str) -> tuple[float, dict]:
        """The next label on this topic; what is left of runs before is passed over."""
        while True:
            try:
                found, moment, payload = self.arrivals.get(timeout=PATIENCE_SECONDS).rstrip("\n").split("\t", 2)
            except queue.Empty:
                raise SystemExit(f"no label on {topic} for {PATIENCE_SECONDS:.0f} s") from None
            if found == topic:
                return float(moment), json.loads(payload)

    def forget(self) -> None:
        """What has arrived."""
        while not self.arrivals.empty():
            self.arrivals.get()

    def pictures(self, size: str) -> int:
        return len(list((self.frames / size).glob("*.jpg")))

    def start(self, side: str, setting: Setting) -> "Running":
        self.turn += 1
        topic = f"peers/{side}-{self.turn}/classification"
        command = self.ours(setting, f"{side}-{self.turn}") if side == OURS else self.theirs(side, setting, topic)
        return Running(self, side, topic, command)

    def ours(self, setting: Setting, device: str) -> list:
        config = self.directory / f"{device}.toml"
        model = setting.model
        mean, std = model.scaling
        config.write_text(f"""
[device]
id = "{device}"
[camera]
source = "replay"
path = {json.dumps(str(self.frames / f"{setting.size}.mjpeg"))}
fps = {setting.fps}
[model]
active = "{model.name}"
threads = {setting.threads}
[models.{model.name}]
path = {json.dumps(str(model.path))}
mean = [{mean}, {mean}, {mean}]
std = [{std}, {std}, {std}]
# Every frame is inferred, whatever it shows.
[gate]
min_luma = 0.0
min_change = 0.0
[mqtt]
url = "mqtt://127.0.0.1:{self.port}"
base_topic = "peers"
classification_interval = "0s"
[http]
listen = "127.0.0.1:{free_port()}"
""")
        return [self.binary, "run", "-c", config]

    def theirs(self, side: str, setting: Setting, topic: str) -> list:
        model = setting.model
        mean, std = model.scaling
        return [
            self.python, THEIRS / "pipeline.py", "--model", model.path, "--mean", str(mean), "--std", str(std),
            "--labels", model.labels, "--stream", self.frames / f"{setting.size}.mjpeg", "--fps", str(setting.fps),
            "--port", str(self.port), "--topic", topic, "--threads", str(setting.threads),
            "--decoder", "half" if side == HALF else "whole",
        ]  # fmt: skip

    def close(self) -> None:
        for process in (self.subscriber, self.broker):
            process.terminate()
            process.wait()


class Running:
    """A program that labels."""

    def __init__(self, stage: Stage, side: str, topic: str, command: list):
        self.stage, self.topic = stage, topic
        # The thread that does all of the work, on both sides.
        self.worker = "inference" if side == OURS else None
        self.log = (stage.directory / "log").open("w+")
        started = time.time()
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.log)
        try:
            moment, self.first = stage.arrival(topic)
        except SystemExit:
            self.end()
            print(Path(self.log.name).read_text()[-2000:])
            raise
        self.first_label_ms = 1000 * (moment - started)
        # Of a busy machine the steadier figure; what was done until this program looked is in it, a frame or two.
        self.first_label_cpu_ms = 1000 * cpu_seconds(self.process.pid)

    def window(self, frames: int, warm_up: int) -> dict:
        """What so many frames or some more cost, after some that warm up."""
        for _ in range(warm_up):
            self.stage.arrival(self.topic)
        pid = self.process.pid
        cpu, (ran, waited), start = cpu_seconds(pid), scheduled(pid, self.worker), time.time()
        answers = self.answers_after(start, frames)
        cpu, (ran_now, waited_now), end = cpu_seconds(pid) - cpu, scheduled(pid, self.worker), time.time()
        answers += self.answers_until(end)
        frames, seconds = len(answers), end - start
        ran, waited = ran_now - ran, waited_now - waited
        share = ran / (ran + waited) if ran + waited else 1.0
        timing = {key: [one["timing_ms"][key] for one in answers] for key in ("decode", "preprocess", "infer")}
        # The programs clock themselves. When other programs take the core meanwhile, that is in the time they clock, evenly,
        # but not in their CPU time; so it is taken out in proportion.
        infer_cpu = statistics.mean(timing["infer"]) * share
        cpu_ms = 1000 * cpu / frames
        return {
            "first_label_ms": self.first_label_ms,
            "first_label_cpu_ms": self.first_label_cpu_ms,
            "fps": frames / seconds,
            "cpu_ms": cpu_ms,
            "infer_cpu_ms": infer_cpu,
            "outside_ms": cpu_ms - infer_cpu,
            **{f"{key}_ms": statistics.median(values) for key, values in timing.items()},
            **{f"{key}_mb": value for key, value in memory_mb(pid).items()},
            "core_percent": 100 * cpu / seconds,
            "waited": 1.0 - share,
            "inferred": sum(not one.get("cached", False) for one in answers),
            "frames": frames,
            "answers": {one["seq"]: (one["top"][0]["class_id"], one["top"][0]["confidence"]) for one in answers},
        }

    # When this program gets no core for a while, labels wait to be read. So they count for when they have come.

    def answers_after(self, start: float, count: int) -> list[dict]:
        found = []
        while len(found) < count:
            moment, answer = self.stage.arrival(self.topic)
            found += [answer] if moment > start else []
        return found

    def answers_until(self, end: float) -> list[dict]:
        found = []
        while True:
            moment, answer = self.stage.arrival(self.topic)
            if moment > end:
                return found
            found.append(answer)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.log.close()


def once(stage: Stage, side: str, setting: Setting, frames: int, warm_up: int = 10) -> dict:
    running = stage.start(side, setting)
    try:
        return running.window(frames, warm_up)
    finally:
        running.end()
