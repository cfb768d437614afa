"""What a picture takes of a core, beside what the core can do."""

from dataclasses import dataclass
from pathlib import Path

from contender import Contender


@dataclass(frozen=True)
class Work:
    """Multiplications, each with its addition, and the instructions that do them."""

    macs: int
    precision: str
    kernels: str

    @classmethod
    def of(cls, ours: Contender) -> "Work":
        macs, precision, kernels = ours.ask("work").split()
        return cls(int(macs), precision, kernels)

    def peak(self, bench: Path) -> list[Contender]:
        """A loop of nothing but these instructions; none where they are not vectors'."""
        return [] if self.kernels == "portable" else [Contender("peak", [bench, "peak", self.precision, self.kernels])]

    def beside(self, peak: list[Contender], ms: float, cores: int = 1) -> dict[str, float]:
        """Billions of multiplications a second, and which part that is of what the cores can do."""
        gmacs = self.macs / ms / 1e6
        figures = {"gmacs": gmacs}
        for one in peak:
            figures["gmacs_peak"] = cores * fastest(one)
            figures["of_peak"] = gmacs / figures["gmacs_peak"]
        return figures


def fastest(peak: Contender) -> float:
    """Billions of multiplications a second, in the best of its runs."""
    return int(peak.ask("work")) / min(peak.times) / 1e6


def of_peak(row: dict) -> str:
    """What `Work.beside` found, for a table."""
    return f"{row['of_peak']:.0%} of {row['gmacs_peak']:.0f} GMAC/s" if "of_peak" in row else ""
