"""Scenarios: what there is, and running one of them in the guest to a verdict."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

from harness.channel import TIMED_OUT
from harness.machine import Machine

# What a scenario whose clock leaps may take of our time.
LEAPING_SECONDS = 2400
FAILED, SKIPPED = 1, 77  # Exit statuses; lib.sh has the same.


@dataclass(frozen=True)
class Scenario:
    """A script that runs in the guest and has so long for it."""

    name: str
    script: Path
    deadline_seconds: int
    core: bool
    # Whether the clock leaps to what is waited for next; the deadline is the guest's then.
    leaps: bool


@dataclass(frozen=True)
class Verdict:
    """How a scenario ended: "PASS", "FAIL" or "SKIP", and why; and what it measured, in words."""

    outcome: str
    reason: str
    seconds: float
    figures: tuple[str, ...] = ()


def find(directory: Path) -> list[Scenario]:
    """All scenarios in the order in which they run."""
    paths = sorted(directory.glob("[0-9]*.sh"))
    return [
        Scenario(path.stem, path, _deadline(path), _says(path, "core"), _says(path, "clock: leaps")) for path in paths
    ]


def select(scenarios: list[Scenario], names: list[str]) -> list[Scenario]:
    """Those of the given names, with or without their number; an unknown name is an error."""
    if not names:
        return scenarios
    chosen = [scenario for scenario in scenarios if {scenario.name, bare(scenario.name)} & set(names)]
    known = {name for scenario in chosen for name in (scenario.name, bare(scenario.name))}
    if unknown := [name for name in names if name not in known]:
        available = ", ".join(bare(scenario.name) for scenario in scenarios)
        raise ValueError(f"no scenario named {', '.join(unknown)}; there are {available}")
    return chosen


def bare(name: str) -> str:
    return name.partition("-")[2]


def play(machine: Machine, scenario: Scenario, log: Path) -> Verdict:
    """Runs one scenario; everything it prints goes to the log as it comes."""
    reason = ""
    figures: list[str] = []
    began = time.monotonic()
    with log.open("w") as file:

        def take(line: str) -> None:
            nonlocal reason
            print(line, file=file, flush=True)
            if found := re.match(r"(?:FAIL|SKIP): (.*)", line):
                reason = reason or found[1]
            if line.startswith("FIGURE: "):
                figures.append(line.partition(" ")[2])

        command = f"bash /share/appliance/guest/play {scenario.script.name}"
        host_seconds = LEAPING_SECONDS if scenario.leaps else None
        status = machine.run(command, scenario.deadline_seconds, take, host_seconds)
    seconds = time.monotonic() - began
    if status == 0:
        return Verdict("PASS", "", seconds, tuple(figures))
    if status == SKIPPED:
        return Verdict("SKIP", reason, seconds)
    if status == TIMED_OUT:
        return Verdict("FAIL", reason or f"not done after {scenario.deadline_seconds} s", seconds)
    return Verdict("FAIL", reason or f"exit status {status}", seconds)


def excerpt(log: Path, lines: int = 12, columns: int = 200) -> list[str]:
    """The end of each section of a log, in which the scenario's own words come first."""
    if not log.exists():
        return []
    sections = re.split(r"\n(?=--- )", log.read_text(errors="replace"))
    picked = []
    for section in sections:
        title, *rest = section.splitlines() or [""]
        picked += [title, *rest[-lines:]]
    return [line[:columns] for line in picked if line.strip()]


def _says(script: Path, line: str) -> bool:
    return f"\n# {line}\n" in script.read_text()


def _deadline(script: Path) -> int:
    found = re.search(r"^# deadline: (\d+)$", script.read_text(), re.MULTILINE)
    if not found:
        raise ValueError(f"{script} has no line `# deadline: SECONDS`")
    return int(found[1])
