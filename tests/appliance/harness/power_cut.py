"""Power cuts: the same disk is booted again and again, and its machine is killed while everything is at work."""

import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.channel import GuestLost
from harness.guest import Guest
from harness.machine import Machine

SCRIPT = "bash /share/appliance/guest/power_cut"
PREPARE_SECONDS = 120.0
LABEL_SECONDS = 120.0


class CutFailed(Exception):
    """The machine did not come back as it was."""


def play(guest: Guest, share: Path, cuts: int, log: Path, say: Callable[[str], None]) -> None:
    """Cuts the power so many times. Raises `CutFailed` if once the guest does not label by itself or its disk is damaged."""
    chance = random.Random(cuts)
    with tempfile.TemporaryDirectory(prefix="glimpsed-power-") as scratch, log.open("w") as lines:
        disk = _journalled_copy(guest, Path(scratch))

        def take(line: str) -> None:
            print(line, file=lines, flush=True)

        def booted(number: int) -> Machine:
            return Machine(replace(guest, disk=disk), share, log.with_name(f"console-cut-{number}.log"), keeps_disk=True)

        with booted(0) as machine:
            if machine.run(f"{SCRIPT} install", PREPARE_SECONDS, take) != 0:
                raise CutFailed("the service could not be installed")
        for number in range(1, cuts + 1):
            began = time.monotonic()
            with booted(number) as machine:
                if machine.run(f"{SCRIPT} labels", LABEL_SECONDS, take) != 0:
                    raise CutFailed(f"no label after the boot before cut {number}")
                labelled = time.monotonic() - began
                # It edits the configuration without end; the cut comes in the middle.
                seconds = chance.uniform(0.2, 4.0)
                machine.cut_after(f"{SCRIPT} edits", seconds)
            _check(disk, number)
            say(f"cut {number} of {cuts}: labels {labelled:.0f} s after power on, cut {seconds:.1f} s later; file system clean")
        with booted(cuts + 1) as machine:
            if machine.run(f"{SCRIPT} labels", LABEL_SECONDS, take) != 0:
                raise CutFailed("no label after the last cut")


def _journalled_copy(guest: Guest, directory: Path) -> Path:
    """The guest's disk has no journal, because nothing outlives a run; that of a board has one."""
    disk = directory / "disk.img"
    shutil.copyfile(guest.disk, disk)
    _tool("tune2fs", "-O", "has_journal", str(disk))
    return disk


def _check(disk: Path, number: int) -> None:
    try:
        # What a boot does first: what the journal holds is put in its place.
        _tool("e2fsck", "-E", "journal_only", "-p", str(disk), accepted=(0, 1))
        _tool("e2fsck", "-f", "-n", str(disk))
    except subprocess.CalledProcessError as error:
        raise CutFailed(f"the file system is damaged after cut {number}: {error.stdout[-2000:]}") from error


def _tool(name: str, *arguments: str, accepted: tuple[int, ...] = (0,)) -> None:
    program = shutil.which(name) or f"/usr/sbin/{name}"
    done = subprocess.run(
        [program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", timeout=300, check=False,
    )  # fmt: skip
    if done.returncode not in accepted:
        raise subprocess.CalledProcessError(done.returncode, name, output=done.stdout)


__all__ = ["CutFailed", "GuestLost", "play"]
