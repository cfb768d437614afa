"""What was measured the last time, and how much has changed since."""

import json
from pathlib import Path

from contender import CHECKOUT

# Beside criterion's, which keeps its own there.
KEPT = CHECKOUT / "target/bench"


def changes(name: str, figures: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Each figure by that of the last run of this name, where there is one; then these are the last."""
    file = KEPT / f"{name}.json"
    try:
        before = json.loads(file.read_text())
    except (OSError, ValueError):
        before = {}
    KEPT.mkdir(parents=True, exist_ok=True)
    # Whole or not at all.
    file.with_suffix(".new").write_text(json.dumps(figures, indent=1) + "\n")
    file.with_suffix(".new").replace(file)
    return {
        row: {key: value / before[row][key] for key, value in values.items() if before.get(row, {}).get(key)}
        for row, values in figures.items()
    }


def table(figures: dict[str, dict[str, float]], changed: dict[str, dict[str, float]]) -> str:
    """Rows of figures; in brackets by how much each is more or less than the last time."""
    keys = list(next(iter(figures.values())))
    lines = ["| | " + " | ".join(key.replace("_", " ") for key in keys) + " |", "|---" * (1 + len(keys)) + "|"]
    for row, values in figures.items():
        cells = []
        for key in keys:
            ratio = changed.get(row, {}).get(key)
            cells.append(f"{values[key]:.1f}" + (f" ({100 * (ratio - 1):+.0f} %)" if ratio else ""))
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
