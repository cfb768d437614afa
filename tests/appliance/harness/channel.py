"""Requests to the agent in the guest over a virtio-serial port: framing, exit status, time limits."""

import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

# The guest enforces a request's time limit and kills what it started; the host waits this much longer before it gives
# the guest itself up for hung.
GRACE_SECONDS = 20.0
TIMED_OUT = 124


class GuestLost(Exception):
    """The guest no longer answers; nothing more can be asked of it."""


class Channel:
    """One request at a time; every answer is told apart by the request's number."""

    def __init__(self, path: Path, alive: Callable[[], bool]):
        self._alive = alive
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(5)
        self._socket.connect(str(path))
        self._pending = b""
        self._number = 0

    def run(
        self, command: str, seconds: float, on_line: Callable[[str], None], host_seconds: float | None = None
    ) -> int:
        """Runs a command of one line in the guest, hands over its output line by line, and returns its exit status.

        The guest has `seconds` of its own time for it, and `host_seconds` of ours, which is the same if not given."""
        self.send(command, seconds)
        deadline = time.monotonic() + (host_seconds or seconds) + GRACE_SECONDS
        while True:
            number, _, rest = self._line(deadline).partition(" ")
            if number != str(self._number):
                continue
            kind, _, text = rest.partition(" ")
            if kind == "end":
                return int(text)
            if kind == "|":
                on_line(text)

    def send(self, command: str, seconds: float) -> None:
        """Asks for a command of one line, and does not wait for what comes of it."""
        if "\n" in command:
            raise ValueError("a command has to be one line")
        self._number += 1
        self._socket.sendall(f"{self._number} {seconds:.0f} {command}\n".encode())

    def close(self) -> None:
        self._socket.close()

    def _line(self, deadline: float) -> str:
        while b"\n" not in self._pending:
            if not self._alive():
                raise GuestLost("the emulator has ended")
            if time.monotonic() > deadline:
                raise GuestLost("the guest does not answer")
            readable, _, _ = select.select([self._socket], [], [], 0.5)
            if not readable:
                continue
            received = self._socket.recv(65536)
            if not received:
                raise GuestLost("the emulator has closed the connection")
            self._pending += received
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")
