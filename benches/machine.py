"""Where and when something was measured."""

import os
import platform
from datetime import date
from pathlib import Path


def processor() -> str:
    name = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return name.partition(":")[2].strip() or platform.machine()


def instructions() -> str:
    """Those vector instructions that make a difference to kernels."""
    text = Path("/proc/cpuinfo").read_text()
    flags = next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "").split()
    telling = ["avx2", "avx512f", "avx512_vnni", "avx_vnni", "asimd", "asimddp", "i8mm"]
    return " ".join(flag for flag in telling if flag in flags)


def describe() -> dict[str, str | int]:
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "date": date.today().isoformat(),
        "processor": processor(),
        "instructions": instructions(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(memory.split()[1]) / 2**20),
        "kernel": platform.release(),
        "architecture": platform.machine(),
    }
