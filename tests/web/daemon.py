"""The real daemon on the bundled photographs, with a real mosquitto, each on a free port of the loopback interface."""

import json
import os
import pathlib
import queue
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PHOTOS = ROOT / "models/photos"
BINARY = pathlib.Path(os.environ.get("GLIMPSED_BINARY", ROOT / "target/debug/glimpsed"))
PATIENCE = 30.0
FAKETIME = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Broker:
    """A mosquitto that can be stopped and started again."""

    def __init__(self, directory: pathlib.Path):
        self.port = free_port()
        self.file = directory / "mosquitto.conf"
        self.file.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type none\n")
        self.start()

    def start(self):
        program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin") or "mosquitto"
        self.process = subprocess.Popen([program, "-c", self.file])

    def stop(self):
        self.process.kill()
        self.process.wait()


class Daemon:
    """Runs until it is stopped; its log can be waited for."""

    def __init__(self, http: str = "", rest: str = "", camera: str = "", cameras: str = "", fps: float = 2.0, broker: Broker | None = None,
                 celsius: float | None = None, port: int = 0, late: float = 0.0, speed: float = 1.0, zone: str | None = None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="glimpsed-web-"))
        # Its clock is so many seconds late, or early if that is negative.
        self.late = late
        # And goes so much faster; it waits no shorter for that.
        self.speed = speed
        # Its time zone, if it is to be another than this machine's.
        self.zone = zone
        # A board of its own, so that the warmth of this machine is not in the way.
        self.board = self.directory / "board"
        if celsius is not None:
            self.becomes(celsius)
        self.config = self.directory / "glimpsed.toml"
        camera = cameras or '[camera]\n' + (camera or f'source = "replay"\npath = "{PHOTOS}"\nfps = {fps}\n')
        mqtt = f'[mqtt]\nurl = "mqtt://127.0.0.1:{broker.port}"\n' if broker else ""
        self.text = (
            f'[device]\nid = "shelf"\nname = "Camera on the shelf"\n{camera}[labels]\nsmoothing = "none"\nconsecutive = 1\n'
            f'{mqtt}[http]\nlisten = "127.0.0.1:{port}"\n{http}{rest}'
        )
        self.config.write_text(self.text)
        self.lines: queue.Queue[str] = queue.Queue()
        self.log: list[str] = []
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [BINARY, "run", "-c", self.config], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=self.environment())
        threading.Thread(target=self.listen, args=(self.process.stderr,), daemon=True).start()
        self.url = self.line_with(r"the web page is at (http://\S+)/").group(1)

    def ends_once_it_has_worked(self):
        """Ends it when its configuration is kept as one that worked, and not only written to the temporary file beside that."""
        until("the configuration is known to work", lambda: list((self.directory / "state").rglob("last-good-*.toml")))
        self.process.terminate()
        self.process.wait()

    def environment(self) -> dict[str, str]:
        """What it keeps goes with it, and nothing of another one is found."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GLIMPSED_")}
        if self.late or self.speed != 1.0:
            environment |= {"LD_PRELOAD": str(FAKETIME[0]), "FAKETIME": f"{-self.late:+.0f}s x{self.speed}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        if self.zone:
            environment["TZ"] = self.zone
        return environment | {"NO_COLOR": "1", "GLIMPSED_BOARD_ROOT": str(self.board), "STATE_DIRECTORY": str(self.directory / "state")}

    def run(self, *arguments: str) -> str:
        """What a command says of the same configuration."""
        ran = subprocess.run([BINARY, *arguments, "-c", self.config], env=self.environment(), capture_output=True, text=True, timeout=PATIENCE)
        assert ran.returncode == 0, ran
        return ran.stdout

    def becomes(self, celsius: float):
        zone = self.board / "sys/class/thermal/thermal_zone0"
        zone.mkdir(parents=True, exist_ok=True)
        # Put there as a whole: the daemon may be reading it.
        (zone / "new").write_text(f"{int(celsius * 1000)}\n")
        (zone / "new").rename(zone / "temp")

    def listen(self, stream):
        for line in stream:
            self.lines.put(line)

    def line_with(self, pattern: str) -> re.Match:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {pattern} in the log:\n{''.join(self.log)}") from None
            self.log.append(line)
            if match := re.search(pattern, line):
                return match

    def get(self, path: str, **headers) -> bytes:
        request = urllib.request.Request(self.url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.read()

    def post(self, path: str, body) -> bytes:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.read()

    def json(self, path: str, **headers):
        return json.loads(self.get(path, **headers))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def until(what: str, condition, patience: float = PATIENCE):
    """The first true value of `condition`."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {patience} s; it was {value!r}"
        time.sleep(0.05)
