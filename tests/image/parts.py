"""What the tests of the image stand on: podman, a broker, an RTSP server, and the document with its commands."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs/install-container.md"
PATIENCE = 60.0


def run(*command, check=True, **more) -> subprocess.CompletedProcess:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **more)
    assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def podman(*arguments, **more) -> str:
    return run("podman", *arguments, **more).stdout.strip()


def inspected(name: str) -> dict:
    return json.loads(podman("inspect", name))[0]


def gateway() -> str:
    """Where this machine is reached from podman's own network; the network is there once a container was in it."""
    podman("run", "--rm", "localhost/glimpsed", "--version")
    return json.loads(podman("network", "inspect", "podman"))[0]["subnets"][0]["gateway"]


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as listener:
        listener.bind((address, 0))
        return listener.getsockname()[1]


def until(what: str, condition, patience: float = PATIENCE):
    """The first true value of `condition`."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {patience} s; it was {value!r}"
        time.sleep(0.2)


def blocks(language: str, heading: str) -> list[str]:
    """The blocks of the document below a heading."""
    part = DOCUMENT.read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)


class Broker:
    """A mosquitto that wants a login, on the address that containers reach."""

    def __init__(self, directory: pathlib.Path, address: str):
        self.address, self.port = address, free_port(address)
        passwords = directory / "passwords"
        passwords.touch(mode=0o600)
        run("mosquitto_passwd", "-b", str(passwords), "glimpsed", "hunter2 hunter2")
        shutil.chown(passwords, "mosquitto")
        directory.chmod(0o755)
        file = directory / "mosquitto.conf"
        file.write_text(f"listener {self.port} {address}\nallow_anonymous false\npassword_file {passwords}\npersistence false\nlog_type none\n")
        program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin") or "mosquitto"
        self.process = subprocess.Popen([program, "-c", file])
        self.url = f"mqtt://{address}:{self.port}"

    def login(self) -> list[str]:
        return ["-h", self.address, "-p", str(self.port), "-u", "glimpsed", "-P", "hunter2 hunter2"]

    def message(self, topic: str, wanted=lambda text: True) -> str:
        """The first message of a topic, kept by the broker or new, that is wanted."""
        def look():
            said = run("mosquitto_sub", *self.login(), "-t", topic, "-C", "1", "-W", "2", check=False).stdout.strip()
            return said if said and wanted(said) else None
        return until(f"{topic} at the broker", look)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)


class RtspServer:
    """A real one, which wants a login."""

    def __init__(self, address: str):
        self.port = free_port(address)
        script, photo = ROOT / "tests/fixtures/rtsp_server.py", ROOT / "models/photos/rocket.jpg"
        self.process = subprocess.Popen(
            ["/usr/bin/python3", script, f"{address}:{self.port}", photo, "viewer:hunter2"], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().strip() == "ready", "GStreamer's RTSP server does not run (gir1.2-gst-rtsp-server-1.0)"
        self.url = f"rtsp://{address}:{self.port}/live"

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        self.process.stdout.close()
