"""Medians, spreads and ratios of what took turns."""

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, and the quartiles, between which half of the values lie."""
    if len(values) == 1:
        return {"median": values[0], "q1": values[0], "q3": values[0]}
    q1, _, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": statistics.median(values), "q1": q1, "q3": q3}


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Ours by theirs, round by round: what disturbs a whole round is in both of its figures."""
    return spread([one / other for one, other in zip(ours, theirs, strict=True)])


def columns(rounds: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    return {key: [one[key] for one in rounds] for key in rounds[0]}


def show(figure: dict[str, float], digits: int = 2) -> str:
    return f"{figure['median']:.{digits}f} ({figure['q1']:.{digits}f}-{figure['q3']:.{digits}f})"
