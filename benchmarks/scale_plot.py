"""Time and memory against the number of photos, as one SVG with logarithmic axes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, TOP, GAP, LEGEND = 330, 330, 64, 44, 92, 170
COLOURS = (
    "#0b6e99", "#d1495b", "#2e8b57", "#8a5fbf", "#c17f1e", "#3d5a80",
    "#b5179e", "#5f6f65", "#e07a5f", "#1b998b", "#7b2d26", "#6c757d",
)  # fmt: skip
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.title{font-weight:600}line{stroke:#ddd}"
    "polyline{fill:none;stroke-width:2}.linear{stroke:#999;stroke-dasharray:4 4}"
    "@media (prefers-color-scheme:dark){svg{background:#161616}text{fill:#ddd}line{stroke:#333}}"
)


def plot_scale(costs: Sequence[Mapping[str, Any]]) -> str:
    """Return the plot of rows with `stage`, `photos`, `cpu_seconds` and `peak_mb`; one line a stage."""
    stages = list(dict.fromkeys(str(cost["stage"]) for cost in costs))
    colours = {stage: COLOURS[number % len(COLOURS)] for number, stage in enumerate(stages)}
    panels = [
        _panel(costs, colours, "cpu_seconds", "processor seconds of a stage", LEFT),
        _panel(costs, colours, "peak_mb", "peak memory of a stage, MB", LEFT + WIDTH + GAP),
    ]
    legend_x = LEFT + 2 * WIDTH + GAP + 24
    legend = [
        f'<rect x="{legend_x}" y="{TOP + 22 * number - 9}" width="14" height="4" fill="{colour}"/>'
        f'<text x="{legend_x + 22}" y="{TOP + 22 * number - 3}">{escape(stage)}</text>'
        for number, (stage, colour) in enumerate(colours.items())
    ]
    width, height = legend_x + LEGEND, TOP + HEIGHT + 56
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Time and memory of each stage against the number of photos"><style>{STYLE}</style>'
        f"{''.join([*panels, *legend])}</svg>\n"
    )


def _panel(
    costs: Sequence[Mapping[str, Any]], colours: Mapping[str, str], field: str, title: str, left: int
) -> str:
    across = _axis([float(cost["photos"]) for cost in costs])
    up = _axis([float(cost[field]) for cost in costs])

    def place(photos: float, value: float) -> str:
        x = left + WIDTH * (math.log10(photos) - across[0]) / (across[-1] - across[0])
        y = TOP + HEIGHT - HEIGHT * (math.log10(value) - up[0]) / (up[-1] - up[0])
        return f"{x:.1f},{y:.1f}"

    parts = [f'<text class="title" x="{left}" y="{TOP - 16}">{title}</text>']
    for power in up:
        y = TOP + HEIGHT - HEIGHT * (power - up[0]) / (up[-1] - up[0])
        parts.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:,g}</text>')
    for power in across:
        x = left + WIDTH * (power - across[0]) / (across[-1] - across[0])
        parts.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 20}" text-anchor="middle">{10**power:,}</text>')
    parts.append(
        f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 42}" text-anchor="middle">photos</text>'
        f'<polyline class="linear" points="{place(10 ** across[0], 10 ** up[0])} '
        f'{_end_of_linear(across, up, place)}"/>'
    )
    for stage, colour in colours.items():
        points = [place(c["photos"], c[field]) for c in costs if c["stage"] == stage]
        parts.append(f'<polyline stroke="{colour}" points="{" ".join(points)}"/>')
    return "".join(parts)


def _end_of_linear(across: Sequence[int], up: Sequence[int], place: Any) -> str:
    """Return where a line of slope one, ten times the photos for ten times the cost, leaves the panel."""
    reach = min(across[-1] - across[0], up[-1] - up[0])
    return str(place(10.0 ** (across[0] + reach), 10.0 ** (up[0] + reach)))


def _axis(values: Sequence[float]) -> list[int]:
    low = math.floor(math.log10(min(values)))
    return list(range(low, max(low + 1, math.ceil(math.log10(max(values)))) + 1))
