"""What the kernel says of a running process."""

import os
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU time of all its threads, also of those that have ended, in the kernel's own nanoseconds."""
    # The clock of another process, as clock_getcpuclockid(3) makes it; /proc/PID/stat counts in hundredths of a second.
    return time.clock_gettime((~pid << 3) | 2)


def memory_mb(pid: int) -> dict[str, float]:
    """Resident now, at most so far, and what of it is no file's."""
    values = status(pid)
    names = {"rss": "VmRSS", "peak": "VmHWM", "anonymous": "RssAnon"}
    return {name: int(values[field].split()[0]) / 1024 for name, field in names.items()}


def status(pid: int) -> dict[str, str]:
    return dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


def scheduled(pid: int, thread: str | None) -> tuple[float, float]:
    """Seconds that a thread has run, and that it could have run and no core was free; its first thread without a name."""
    for task in sorted(Path(f"/proc/{pid}/task").iterdir(), key=lambda path: int(path.name)):
        if thread is None or (task / "comm").read_text().strip() == thread:
            running, waiting, _ = (task / "schedstat").read_text().split()
            return int(running) / 1e9, int(waiting) / 1e9
    raise SystemExit(f"process.py: process {pid} has no thread {thread}")
