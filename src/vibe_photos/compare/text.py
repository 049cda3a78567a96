"""A comparison of two label tables as text for a terminal, as JSON for programs, and as a page."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap

import msgspec

from vibe_photos.compare.compare import FigureDifference, Flip, Kind, LabelChange, LabelComparison
from vibe_photos.evaluate.text_report import format_table
from vibe_photos.statistics.paired import POWER, Change
from vibe_photos.statistics.summary import Figures, round_figure
from vibe_photos.storage.files import write_bytes

MOST_FLIPS_SHOWN = 10
TERMINAL_COLUMNS = 100
CHANGE_COLUMNS = ("in 100 photos", "A", "B", "B - A", "p", "noticeable", "")
FIGURE_COLUMNS = ("", "A", "B", "B - A", "range")


def format_comparison(found: LabelComparison, names: Mapping[str, str]) -> str:
    """Return the comparison for a terminal; `names` gives a photo's path by its id where it is known."""
    paragraphs = [describe_changes(found), _verdict_lines(found)]
    for columns, rows, explanation in (
        (CHANGE_COLUMNS, change_rows(found), explain_changes(found)),
        (FIGURE_COLUMNS, figure_rows(found), explain_figures(found)),
    ):
        if rows:
            width = max(len(row[-1]) for row in rows)
            table = format_table(columns, [[*row[:-1], row[-1].ljust(width)] for row in rows])
            paragraphs += [table, wrap(explanation, TERMINAL_COLUMNS)]
    paragraphs.append(_flip_lines(found, names))
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)


def format_brief(found: LabelComparison, stages: Sequence[str]) -> str:
    """Return the short form: stages that ran since A, differences, conclusions, and ranges."""
    lines = [f"ran since {found.before}: {', '.join(stages) or 'no stage'}", *describe_changes(found)]
    lines += _verdict_lines(found)
    rows = figure_rows(found)
    if rows:
        lines += [
            "B - A (range):",
            *(f"  {name} {apart} ({ends})" for name, *_, apart, ends in rows if apart),
        ]
        lines += wrap(explain_figures(found), TERMINAL_COLUMNS)
    return "\n".join(lines)


def render_page(found: LabelComparison, names: Mapping[str, str], out: Path) -> None:
    """Write a self-contained page in the report's style to `out`; arguments as for `format_comparison`."""
    from vibe_photos.report.stage import make_environment

    html = (
        make_environment()
        .get_template("comparison.html")
        .render(
            found=found,
            names=names,
            described=describe_changes(found),
            labels=describe_labels(found),
            tables=[
                ("What changed", CHANGE_COLUMNS, change_rows(found), explain_changes(found)),
                ("Figures", FIGURE_COLUMNS, figure_rows(found), explain_figures(found)),
            ],
            flips=sort_flips(list_flips(found)),
        )
    )
    write_bytes(out, html.encode("utf-8", "replace"))


def comparison_json(found: LabelComparison) -> str:
    """Return `comparison_mapping` as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(comparison_mapping(found)), indent=2).decode()


def comparison_mapping(found: LabelComparison) -> Figures:
    """Return what `--json` prints: the counts of `LabelComparison`, and four lists of flat rows.

    - `labels`: each label that differs, how many photos judge it, how many of these flipped and how.
    - `questions`: the fields of `Change` for each label and question, and the answer in a word. Rates are in
      photos, 0..1.
    - `figures`: both values, their difference and its interval or the reason why there is none.
    - `flips`: the fields of `Flip`.

    Numbers are rounded to 4 decimals, but p is not.
    """
    counts = {name: value for name, value in asdict(found).items() if name != "labels"}
    return counts | {
        "labels": [
            {"label": one.label, "names": one.names, "judged": one.judged, **_count_flips(one.flips)}
            for one in found.labels
        ],
        "questions": [
            {
                "label": one.label,
                "question": question,
                "before": round_figure(change.before),
                "after": round_figure(change.after),
                "difference": round_figure(change.after - change.before),
                "adjusted_p": change.adjusted_p,
                "changed_groups": change.changed_groups,
                "noticeable": round_figure(change.noticeable),
                "answer": answer(found, change),
            }
            for one, question, change in _questions(found)
        ],
        "figures": [
            {
                "label": one.label,
                "figure": name,
                "before": round_figure(figure.before),
                "after": round_figure(figure.after),
                "low": round_figure(figure.interval.low),
                "high": round_figure(figure.interval.high),
                "no_interval": figure.interval.reason,
            }
            for one, name, figure in _figures(found)
        ],
        "flips": [asdict(flip) for flip in list_flips(found)],
    }


def describe_changes(found: LabelComparison) -> list[str]:
    """Return what is compared, on how many photos, and what is left out."""
    sides = f"{found.after} (B) against {found.before} (A)"
    alone = f"labelled by A alone: {found.only_before}, by B alone: {found.only_after}"
    if not found.photos:
        return [f"{sides}: nothing can be compared, because no photo is labelled by both ({alone})"]
    same = f"{sides}: the labels are the same on all {found.photos} photos that both label"
    changed = f"{sides}: {found.changed_photos} of {found.photos} photos are labelled differently"
    lines = [changed if found.labels else same]
    if found.only_before or found.only_after:
        lines.append(alone)
    if not found.labels:
        return lines
    who = {"human": "people", "auto": "the teacher"}[found.truth]
    lines.append(f"compared on {found.n or 'no'} photos that {who} judged and neither side has learnt from")
    reasons = [
        (found.learnt_from, "that one side has learnt from"),
        (found.not_in_both, "that not both sides label"),
    ]
    if left_out := [f"{n} {reason}" for n, reason in reasons if n]:
        lines.append(f"judged photos left out: {', '.join(left_out)}")
    return lines


def describe_labels(found: LabelComparison) -> list[tuple[str, list[str]]]:
    """Return, for each label that differs, how its judged photos changed, and what can be concluded."""
    return [
        (f"{one.label}: {_describe_flips(one.flips)}", _describe_evidence(found, one)) for one in found.labels
    ]


def _verdict_lines(found: LabelComparison) -> list[str]:
    lines = []
    for heading, statements in describe_labels(found):
        lines += [heading, *(f"  {statement}" for statement in statements)]
    return lines


def _describe_flips(flips: Sequence[Flip]) -> str:
    if not flips:
        return "no judged photo is among those that changed"
    counts = _count_flips(flips)
    said = f"now right on {counts['now_right']} of the judged photos, now wrong on {counts['now_wrong']}"
    return said + (f", wrong in another way on {counts['still_wrong']}" if counts["still_wrong"] else "")


def _describe_evidence(found: LabelComparison, label: LabelChange) -> list[str]:
    asked = dict(label.questions)
    wrong = asked.pop("wrong", None)
    if wrong is None:
        return ["cannot tell which side is better: it is not judged on any of these photos"]
    real = [(name, one) for name, one in asked.items() if found.is_real(one)]
    said = [f"{answer(found, one)} {name} ({_describe_rates(one)})" for name, one in real]
    if found.is_real(wrong):
        side = "better" if wrong.after < wrong.before else "worse"
        said.append(f"{answer(found, wrong)} wrong ({_describe_rates(wrong)}): B is {side}")
    else:
        doubt = "whether more or fewer are wrong" if real else "which side is better"
        said.append(f"cannot tell {doubt}: {_describe_undetected(wrong)}")
    return said


def _describe_rates(change: Change) -> str:
    return f"{100 * change.before:.1f} → {100 * change.after:.1f} in 100 photos"


def _describe_undetected(change: Change) -> str:
    """Return the size of differences that a question may have missed."""
    size = (
        f"a difference below {100 * change.noticeable:.1f} in 100"
        if change.noticeable < 1
        else "any difference"
    )
    return f"{size} may go unnoticed"


def answer(found: LabelComparison, change: Change) -> str:
    """Return `more` or `fewer` if a difference is larger than chance explains, else why not."""
    if not change.changed_groups:
        return "no judged photo changed"
    if not found.is_real(change):
        return "cannot tell"
    return "more" if change.after > change.before else "fewer"


def explain_changes(found: LabelComparison) -> str:
    """Return what the table of changes means, and why p is adjusted."""
    rows = sum(change.changed_groups > 0 for *_, change in _questions(found))
    several = f" The more rows, the likelier one of them stands out by chance: p allows for all {rows}."
    return (
        "Each judged photo counts for as many as it stands for. p: how often chance alone would make a "
        "row differ this much if A and B were equally good."
        f"{several if rows > 1 else ''} noticeable: the true difference that {POWER:.0%} of such comparisons "
        'would find; smaller ones are found less often, so "cannot tell" is not "no difference".'
    )


def explain_figures(found: LabelComparison) -> str:
    """Return what the table of figures means."""
    return (
        "range: where the true difference probably lies. In "
        f"{found.level:.0%} of such comparisons all of these ranges are right at once."
    )


def change_rows(found: LabelComparison) -> list[list[str]]:
    """Return the rows of `CHANGE_COLUMNS`."""
    return [
        [
            f"{label.label} {question}",
            f"{100 * change.before:.1f}",
            f"{100 * change.after:.1f}",
            f"{100 * (change.after - change.before):+.1f}",
            format_p(change.adjusted_p) if change.changed_groups else "",
            "" if found.is_real(change) else f"{100 * change.noticeable:.1f}",
            answer(found, change),
        ]
        for label, question, change in _questions(found)
    ]


def figure_rows(found: LabelComparison) -> list[list[str]]:
    """Return the rows of `FIGURE_COLUMNS`."""
    rows = []
    for label, name, figure in _figures(found):
        a, b = figure.before, figure.after
        apart = "" if a is None or b is None else f"{b - a:+.3f}"
        interval = figure.interval
        ends = interval.reason or f"{interval.low:+.3f} to {interval.high:+.3f}"
        values = ("-" if one is None else f"{one:.3f}" for one in (a, b))
        rows.append([f"{label.label} {name}", *values, apart, ends])
    return rows


def format_p(p_value: float) -> str:
    """Return a p-value as text, never 0."""
    return f"{p_value:.3f}" if p_value >= 0.001 else "< 0.001"


def list_flips(found: LabelComparison) -> list[Flip]:
    """Return all flips, label by label."""
    return [flip for label in found.labels for flip in label.flips]


def sort_flips(flips: Sequence[Flip]) -> list[Flip]:
    """Return the flips, those now wrong first, then those now right, else in their order."""
    order = {"now wrong": 0, "now right": 1, "still wrong": 2}
    return sorted(flips, key=lambda flip: order[flip.kind])


def _count_flips(flips: Sequence[Flip]) -> dict[str, int]:
    counts = Counter(flip.kind for flip in flips)
    kinds: tuple[Kind, ...] = ("now right", "now wrong", "still wrong")
    return {kind.replace(" ", "_"): counts[kind] for kind in kinds}


def _questions(found: LabelComparison) -> Iterator[tuple[LabelChange, str, Change]]:
    for label in found.labels:
        for question, change in label.questions.items():
            yield label, question, change


def _figures(found: LabelComparison) -> Iterator[tuple[LabelChange, str, FigureDifference]]:
    for label in found.labels:
        for name, figure in label.figures.items():
            yield label, name, figure


def _flip_lines(found: LabelComparison, names: Mapping[str, str]) -> list[str]:
    flips = list_flips(found)
    shown = _choose_flips(flips)
    lines = [
        f"{flip.kind:<11}  {names.get(flip.image_id, flip.image_id)}  "
        f"{flip.label}: {flip.before} → {flip.after} (true: {flip.true})"
        for flip in shown
    ]
    more = len(flips) - len(shown)
    return [*lines, *([f"and {more} more: --json lists all"] if more else [])]


def _choose_flips(flips: Sequence[Flip]) -> list[Flip]:
    """Return a few flips, the first of each kind and label before the second of any."""
    seen: Counter[tuple[Kind, str]] = Counter()
    ranked = []
    for flip in flips:
        ranked.append((seen[flip.kind, flip.label], flip))
        seen[flip.kind, flip.label] += 1
    ranked.sort(key=lambda item: item[0])
    return sort_flips([flip for _, flip in ranked[:MOST_FLIPS_SHOWN]])
