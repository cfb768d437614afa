"""Lines in an SVG, without a library."""

from html import escape
from pathlib import Path

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 40, 50
COLOURS = ["#0b6e99", "#c2571a", "#5a7d2a", "#7a4ea3"]


def lines(file: Path, title: str, across: str, up: str, series: dict[str, list[tuple[float, float]]]) -> None:
    """One line for each of the series; both axes begin at zero."""
    points = [point for values in series.values() for point in values]
    right, top = nice(max(x for x, _ in points)), nice(max(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + x / right * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end">{escape(across)}</text>',
        f'<text x="{LEFT}" y="{TOP - 6}" fill="#555">{escape(up)}</text>',
    ]
    for step in range(5):
        x, y = place(right * step / 4, top * step / 4)
        parts += [
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>',
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{top * step / 4:g}</text>',
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{right * step / 4:g}</text>',
        ]
    for number, (name, values) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        placed = [place(x, y) for x, y in sorted(values)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(placed) <= 12:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        parts.append(
            f'<text x="{WIDTH - RIGHT}" y="{20 + 15 * number}" text-anchor="end" fill="{colour}">{escape(name)}</text>'
        )
    file.write_text("\n".join([*parts, "</svg>", ""]))


def nice(most: float) -> float:
    """The next number that four steps divide well."""
    scale = 1.0
    while most > 10 * scale:
        scale *= 10
    while most < scale:
        scale /= 10
    return next(step * scale for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * scale >= most)
