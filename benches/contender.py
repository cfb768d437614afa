"""Programs that take turns at the same work, so that a slow moment of the machine hits all of them."""

import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path

from process import cpu_seconds

CHECKOUT = Path(__file__).resolve().parent.parent
REQUIREMENTS = CHECKOUT / "benches/peers/requirements.txt"
# Not every one of these is there for every architecture and every version of Python.
OPTIONAL = {"ncnn", "pnnx", "ai-edge-litert", "PyTurboJPEG", "onnx"}


class Contender:
    """A process that has something loaded and runs it when it is told to (benches/lines and peers/theirs/lines.py)."""

    def __init__(self, name: str, command: list, environ: dict[str, str] | None = None, rest_seconds: float = 0.0):
        self.name = name
        self.rest_seconds = rest_seconds
        self.times: list[float] = []  # milliseconds of each run
        self.turns: list[dict[str, list[float] | float]] = []
        environ = os.environ | (environ or {})
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)
        self.load_ms = float(self.answer())

    def answer(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended; what it said is above")
        return line.strip()

    def ask(self, question: str) -> str:
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self.answer()

    def run(self, count: int) -> None:
        before = cpu_seconds(self.process.pid)
        times = [float(time) for time in self.ask(str(count)).split()]
        cpu_ms = 1000 * (cpu_seconds(self.process.pid) - before) / count
        self.times += times
        self.turns.append({"ms": times, "cpu_ms": cpu_ms})

    def end(self) -> int:
        """Ends it; its peak memory in kB."""
        peak = int(self.ask(""))
        self.process.stdin.close()
        self.process.wait(timeout=10)
        return peak


def take_turns(title: str, contenders: list[Contender], rounds: int, runs: int) -> None:
    """Each runs `runs` times in each of the rounds, after one round to warm up."""
    for turn in range(rounds + 1):
        progress(f"{title}: round {turn} of {rounds}")
        for contender in contenders:
            contender.run(runs)
            time.sleep(contender.rest_seconds)
            if turn == 0:
                contender.times.clear()
                contender.turns.clear()
    progress("")


def progress(text: str) -> None:
    """On a terminal one line that is written over, else one line each."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


def build(*benches: str) -> dict[str, Path]:
    """The bench programs, by name, optimised and linked like the release, whose figures they are to be. That takes minutes; with
    other settings Cargo would also put a program built that way where the release was."""
    chosen = [word for bench in benches for word in ("--bench", bench)]
    command = ["cargo", "bench", "--locked", "--no-run", *chosen, "--message-format", "json"]
    built = subprocess.run(command, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True).stdout
    artefacts = [json.loads(line) for line in built.splitlines()]
    return {one["target"]["name"]: Path(one["executable"]) for one in artefacts if one.get("executable")}


def environment(wanted: Callable[[str], bool] = lambda package: True) -> Path:
    """An interpreter that has the peers, those packages of them that are wanted."""
    directory = CHECKOUT / "target" / "peers"
    python = directory / "bin" / "python"
    if not python.exists():
        venv.create(directory, with_pip=True)
    pins = [line for line in REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]
    chosen = [pin for pin in pins if wanted(name(pin))]
    install(python, [pin for pin in chosen if name(pin) not in OPTIONAL])
    for pin in chosen:
        if name(pin) in OPTIONAL:
            try:
                install(python, [pin])
            except subprocess.CalledProcessError:
                print(f"SKIPPED: {pin} cannot be installed here, so there are no figures with it", file=sys.stderr)
    return python


def name(pin: str) -> str:
    return pin.partition("==")[0]


def install(python: Path, pins: list[str]) -> None:
    # What they bring along is listed and pinned, too: pnnx would bring torch, five gigabytes that its converter does not use.
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, *pins], check=True, stdout=sys.stderr)


def has(python: Path, module: str) -> bool:
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0
