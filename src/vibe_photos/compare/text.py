"""A comparison of two label tables as text for a terminal, as JSON for programs, and as a page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import msgspec

from vibe_photos.compare.compare import FigureDifference, Flip, LabelComparison
from vibe_photos.evaluate.text_report import format_table
from vibe_photos.statistics.summary import Figures, round_figure
from vibe_photos.storage.files import write_bytes

MOST_FLIPS_SHOWN = 10
_NO_JUDGED_PHOTO = "no judged photo has labels on both sides, so it is unknown which is better"


def format_comparison(found: LabelComparison, level: float, names: Mapping[str, str]) -> str:
    """Return the comparison for a terminal; `names` gives a photo's path by its id where it is known."""
    sides, moved = f"{found.after} (B) against {found.before} (A)", found.moved()
    if not found.changed_photos and not moved:
        return f"{sides}: the labels are the same"
    if not found.n:
        return "\n".join([describe_changes(found), _NO_JUDGED_PHOTO])
    lines = [f"{sides}, on {found.n} judged photos", describe_changes(found), ""]
    if moved:
        header = ("", "A", "B", "B - A", "interval", "p, adjusted")
        lines += [*format_table(header, [_figure_row(figure) for figure in moved]), ""]
    lines.append(describe_verdict(found, level))
    return "\n".join([*lines, *_flip_lines(found, names)])


def format_brief(found: LabelComparison, stages: Sequence[str], level: float) -> str:
    """Return three lines: what ran since A, what moved, whether that is distinguishable from noise."""
    ran = f"ran since {found.before}: {', '.join(stages) or 'no stage'}"
    if not found.changed_photos and not found.moved():
        return f"{ran}\nthe labels are the same as {found.before}'s"
    figures = [(one.name, one.difference) for one in found.moved()]
    moved = "; ".join(f"{name} {d.before:.3f} → {d.after:.3f}" for name, d in figures) or "no figure moved"
    verdict = describe_verdict(found, level) if found.n else _NO_JUDGED_PHOTO
    return f"{ran}\n{found.changed_photos} of {found.photos} photos labelled differently; {moved}\n{verdict}"


def render_page(found: LabelComparison, level: float, names: Mapping[str, str], out: Path) -> None:
    """Write a self-contained page in the report's style to `out`; arguments as for `format_comparison`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("vibe_photos.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("comparison.html").render(
        found=found,
        level=level,
        names=names,
        changes=describe_changes(found),
        verdict=describe_verdict(found, level) if found.n else "",
        flips=sort_flips(found.flips),
        interval=format_difference_interval,
    )
    write_bytes(out, html.encode("utf-8", "replace"))


def comparison_json(found: LabelComparison, level: float) -> str:
    """Return `comparison_mapping` as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(comparison_mapping(found, level)), indent=2).decode()


def comparison_mapping(found: LabelComparison, level: float) -> Figures:
    """Return what `--json` prints; figures are rounded to 4 decimals."""
    real = {figure.name for figure in found.real(level)}
    figures = {
        figure.name: _figure_mapping(figure) | {"is_distinguishable": figure.name in real}
        for figure in found.figures
    }
    return asdict(found) | {"figures": figures}


def describe_changes(found: LabelComparison) -> str:
    """Return how many photos changed, how many judged labels were fixed and broken, what was left out."""
    kinds = [flip.kind for flip in found.flips]
    parts = [
        f"{found.changed_photos} of {found.photos} photos are labelled differently",
        f"of the labels that flipped and are judged, {kinds.count('fixed')} are now right, "
        f"{kinds.count('broken')} no longer, {kinds.count('wrong')} not right either way",
    ]
    if found.learnt_from:
        parts.append(f"{found.learnt_from} judged photos left out because one side has learnt from them")
    if found.not_in_both:
        parts.append(f"{found.not_in_both} judged photos left out because not both have labels for them")
    return ";\n".join(parts)


def describe_verdict(found: LabelComparison, level: float) -> str:
    """Return whether anything that moved is distinguishable from noise."""
    real, moved = found.real(level), found.moved()
    if real:
        words = [f"{figure.name} {'up' if figure.difference.value > 0 else 'down'}" for figure in real]
        return f"distinguishable from noise: {', '.join(words)}"
    if not moved:
        return "no figure moved: the judged photos are labelled as well as before"
    return f"not distinguishable from noise (smallest p {min(figure.adjusted_p for figure in moved):.2g})"


def format_difference_interval(figure: FigureDifference) -> str:
    """Return the interval of B - A with signs, or why there is none."""
    interval = figure.difference.interval
    return interval.reason or f"{interval.low:+.3f} to {interval.high:+.3f}"


def _figure_row(figure: FigureDifference) -> list[str]:
    difference = figure.difference
    return [
        figure.name,
        f"{difference.before:.3f}",
        f"{difference.after:.3f}",
        f"{difference.value:+.3f}",
        format_difference_interval(figure),
        f"{figure.adjusted_p:.2g}",
    ]


def _figure_mapping(figure: FigureDifference) -> Figures:
    difference = figure.difference
    interval = difference.interval
    ends = {"low": round_figure(interval.low), "high": round_figure(interval.high)}
    return {
        "before": round_figure(difference.before),
        "after": round_figure(difference.after),
        "difference": round_figure(difference.value),
        **({"interval": interval.reason} if interval.reason else ends),
        "p_value": round_figure(difference.p_value),
        "adjusted_p": round_figure(figure.adjusted_p),
        "changed_groups": difference.changed_groups,
    }


def sort_flips(flips: Sequence[Flip]) -> list[Flip]:
    """Return the flips, broken ones first, then fixed ones, else in their order."""
    order = {"broken": 0, "fixed": 1, "wrong": 2}
    return sorted(flips, key=lambda flip: order[flip.kind])


def _flip_lines(found: LabelComparison, names: Mapping[str, str]) -> list[str]:
    shown = _choose_flips(found.flips)
    lines = [
        f"{flip.kind:<6}  {names.get(flip.image_id, flip.image_id)}  "
        f"{flip.label}: {flip.before} → {flip.after} (true: {flip.true})"
        for flip in shown
    ]
    more = len(found.flips) - len(shown)
    return ["", *lines, *([f"and {more} more: --json lists all"] if more else [])] if lines else []


def _choose_flips(flips: Sequence[Flip]) -> list[Flip]:
    """Return a few flips, the first of each kind before the second of any, so that each kind is shown."""
    seen: Counter[str] = Counter()
    ranked = []
    for flip in flips:
        ranked.append((seen[flip.kind], flip))
        seen[flip.kind] += 1
    ranked.sort(key=lambda item: item[0])
    return sort_flips([flip for _, flip in ranked[:MOST_FLIPS_SHOWN]])
