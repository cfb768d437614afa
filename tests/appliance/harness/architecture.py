"""The machines that are emulated: what emulates them, and as which processor."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """By Debian's name for it."""

    name: str
    emulator: tuple[str, ...]
    processor: str
    console: str
    # Packages of another architecture than the host's are configured under emulation.
    build_seconds: int


KNOWN = {
    architecture.name: architecture
    for architecture in (
        # The bundled model loads in 5 s and takes 3.3 s a picture on a CPU without AVX, 45 s and more than 5 s on `max`:
        # the emulator is slow at wide vectors.
        Architecture("amd64", ("qemu-system-x86_64",), "Nehalem", "ttyS0", 1200),
        # A Pi 4's; a Pi 3 has a Cortex-A53, a Jetson Nano a Cortex-A57, a Pi 5 a Cortex-A76.
        Architecture("arm64", ("qemu-system-aarch64", "-machine", "virt"), "cortex-a72", "ttyAMA0", 3600),
    )
}
