"""One emulated machine: started, talked to, and ended whatever happens."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from harness.channel import GRACE_SECONDS, Channel, GuestLost
from harness.guest import Guest

BOOT_SECONDS = 240.0
POWER_OFF_SECONDS = 20.0
MEMORY_MIB = 2048
# What the journal says goes to the console's log, which tells why a boot failed.
KERNEL_ARGUMENTS = (
    "root=/dev/vda rw console={console} quiet mitigations=off panic=5 systemd.journald.forward_to_console=1"
)


class BootFailed(Exception):
    """The guest did not come up, so that no scenario can be run."""


class Machine:
    """A context: boots on entry, is off on exit. What is written to the disk is thrown away unless `keeps_disk`.

    With `leaps` its clock leaps to whatever it waits for next, so that a day of waiting takes no time."""

    def __init__(self, guest: Guest, share: Path, console: Path, keeps_disk: bool = False, leaps: bool = False):
        self._keeps_disk = keeps_disk
        self._leaps = leaps
        self._guest = guest
        self._share = share
        self._console = console
        self._scratch = tempfile.TemporaryDirectory(prefix="glimpsed-appliance-")
        self._errors = Path(self._scratch.name) / "errors"
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None

    def __enter__(self) -> "Machine":
        try:
            self._boot()
        except GuestLost as error:
            self._end()
            raise BootFailed(str(error)) from error
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._channel and self._alive() and kind is None:
                self._channel.run("systemctl --no-block poweroff", 10, lambda line: None)
                self._wait(POWER_OFF_SECONDS)
        except (GuestLost, OSError):
            pass  # It is ended the hard way.
        finally:
            self._end()

    def run(
        self, command: str, seconds: float, on_line: Callable[[str], None], host_seconds: float | None = None
    ) -> int:
        """As `Channel.run`."""
        if not self._channel:
            raise GuestLost("the guest has not been booted")
        return self._channel.run(command, seconds, on_line, host_seconds)

    def cut_after(self, command: str, seconds: float) -> None:
        """Starts a command, and takes the power away while it runs."""
        if not self._channel:
            raise GuestLost("the guest has not been booted")
        self._channel.send(command, seconds + GRACE_SECONDS)
        time.sleep(seconds)
        if not self._alive():
            raise GuestLost("the emulator has ended before the power was cut")
        self._end()

    def abandon(self) -> None:
        """Ends the machine at once; it has stopped answering."""
        self._end()

    def _boot(self) -> None:
        port = Path(self._scratch.name) / "port"
        # setpriv: the emulator ends with this process, even if that is killed.
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._command(port)], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + BOOT_SECONDS
        while not port.exists():
            if not self._alive():
                raise GuestLost(f"the emulator did not start: {self._errors.read_text().strip()}")
            if time.monotonic() > deadline:
                raise GuestLost("the emulator does not open its port")
            time.sleep(0.05)
        self._channel = Channel(port, self._alive)
        # The port holds this request back until the agent reads it.
        if self._channel.run("true", deadline - time.monotonic(), lambda line: None) != 0:
            raise GuestLost("the agent in the guest does not work")

    def _command(self, port: Path) -> list[str]:
        architecture = self._guest.architecture
        processors = min(os.cpu_count() or 1, 4)
        speed = ["-accel", "tcg,thread=multi", "-smp", str(processors)]
        if self._leaps:
            # An instruction takes 8 ns of the guest's time, and waiting takes none of ours.
            speed = ["-accel", "tcg,thread=single", "-smp", "1", "-icount", "shift=3,sleep=off"]
        return [
            *architecture.emulator, *speed, "-cpu", architecture.processor, "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none",
            "-kernel", str(self._guest.kernel), "-initrd", str(self._guest.initrd),
            "-append", KERNEL_ARGUMENTS.format(console=architecture.console),
            "-serial", f"file:{self._console}",
            "-drive", f"if=virtio,format=raw,{self._disk_options()},file={self._guest.disk}",
            "-virtfs", f"local,path={self._share},mount_tag=share,security_model=none,readonly=on",
            "-device", "virtio-serial",
            "-chardev", f"socket,id=port,path={port},server=on,wait=off",
            "-device", "virtserialport,chardev=port,name=appliance",
            "-device", "virtio-rng-pci",
        ]  # fmt: skip

    def _disk_options(self) -> str:
        # The host keeps what the emulator has written when it is killed, as a disk keeps what it has been given.
        return "cache=writeback" if self._keeps_disk else "snapshot=on,cache=unsafe"

    def _alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _wait(self, seconds: float) -> None:
        try:
            if self._process:
                self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    def _end(self) -> None:
        if self._channel:
            self._channel.close()
        if self._process:
            if self._alive():
                self._process.kill()
            self._process.wait()
        self._scratch.cleanup()
