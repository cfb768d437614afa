"""The guest's disk: built once for each architecture, kept under a hash of the script that builds it."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from harness.architecture import Architecture

PARTS = ("vmlinuz", "initrd.img", "root.img")


@dataclass(frozen=True)
class Guest:
    """What a machine boots from; the disk is never written to."""

    architecture: Architecture
    kernel: Path
    initrd: Path
    disk: Path


def default_directory() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "glimpsed" / "appliance"


def prepare(script: Path, parent: Path, architecture: Architecture) -> Guest:
    """Builds the guest if this version of the script has not built one here; older versions are removed."""
    directory = parent / architecture.name
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / hashlib.sha256(script.read_bytes()).hexdigest()[:16]
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all((target / part).exists() for part in PARTS):
            _build(script, target, architecture)
            for old in directory.iterdir():
                if old.is_dir() and old != target:
                    shutil.rmtree(old)
    return Guest(architecture, *(target / part for part in PARTS))


def _build(script: Path, target: Path, architecture: Architecture) -> None:
    print(f"building the guest in {target}; this takes some minutes, once", flush=True)
    began = time.monotonic()
    build = subprocess.run(
        [script, target, architecture.name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", timeout=architecture.build_seconds, check=False,
    )
    if build.returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        sys.exit(f"{build.stdout}\nappliance: the guest could not be built")
    print(f"built the guest in {time.monotonic() - began:.0f} s", flush=True)
