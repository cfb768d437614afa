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

    def peak(self, bench: Path) -> Contender:
        """A loop of nothing but these instructions."""
        return Contender("peak", [bench, "peak", self.precision, self.kernels])

    def per_second(self, ms: float) -> float:
        """In billions."""
        return self.macs / ms / 1e6


def fastest(peak: Contender) -> float:
    """Billions of multiplications a second in the best of its runs. Ends it."""
    macs = int(peak.ask("work"))
    peak.end()
    return macs / min(peak.times) / 1e6
