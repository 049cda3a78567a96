"""A comparison of two label tables as text for a terminal, as JSON for programs, and as a page."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from textwrap import wrap
from typing import get_args

import msgspec

from vibe_photos.compare.compare import Flip, Kind, LabelChange, LabelComparison
from vibe_photos.evaluate.text_report import format_table
from vibe_photos.records.taxonomy import label_name
from vibe_photos.statistics.paired import POWER, Change
from vibe_photos.statistics.summary import Figures, explain_no_interval
from vibe_photos.storage.files import round_metric, write_bytes

MOST_FLIPS_SHOWN = 10
TERMINAL_COLUMNS = 100
CHANGE_COLUMNS = ("in 100 photos", "A", "B", "B - A", "p", "noticeable", "")
FIGURE_COLUMNS = ("", "A", "B", "B - A", "range")
LabelFlip = tuple[LabelChange, Flip]


def format_comparison(found: LabelComparison, names: Mapping[str, str]) -> str:
    """Return the comparison for a terminal; `names` gives a photo's path by its id where it is known."""
    paragraphs = [describe_changes(found), _verdict_lines(found)]
    for _, columns, rows, explanation in _tables(found):
        if rows:
            width = max(len(row[-1]) for row in rows)
            table = format_table(columns, [[*row[:-1], row[-1].ljust(width)] for row in rows])
            paragraphs += [table, wrap(explanation, TERMINAL_COLUMNS)]
    flips = _list_flips(found)
    lines = [
        f"{kind:<11}  {photo}  {label}: {before} → {after} (true: {true})"
        for _, photo, label, before, after, true, kind in _flip_rows(found, _choose_flips(flips), names)
    ]
    if len(flips) > len(lines):
        lines.append(f"and {len(flips) - len(lines)} more: --json lists all")
    return "\n\n".join("\n".join(lines) for lines in [*paragraphs, lines] if lines)


def format_brief(found: LabelComparison, stages: Sequence[str]) -> str:
    """Return the short form: stages that ran since A, differences, conclusions, and ranges."""
    lines = [f"ran since {found.before}: {', '.join(stages) or 'no stage'}", *describe_changes(found)]
    lines += _verdict_lines(found)
    if rows := _figure_rows(found):
        lines += [
            "B - A (range):",
            *(f"  {name} {apart} ({ends})" for name, *_, apart, ends in rows if apart),
        ]
        lines += wrap(_explain_figures(found), TERMINAL_COLUMNS)
    return "\n".join(lines)


def render_page(found: LabelComparison, names: Mapping[str, str], out: Path) -> None:
    """Write a self-contained page in the report's style to `out`; arguments as for `format_comparison`."""
    from vibe_photos.report.stage import make_environment

    html = (
        make_environment()
        .get_template("comparison.html")
        .render(
            found=found,
            described=describe_changes(found),
            labels=_describe_labels(found),
            tables=_tables(found),
            flips=_flip_rows(found, _sort_flips(_list_flips(found)), names),
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
    - `flips`: the fields of `Flip`, in short names.

    Numbers are rounded to 4 decimals, but p is not.
    """
    counts = {name: value for name, value in asdict(found).items() if name not in ("labels", "names")}
    return counts | {
        "labels": [
            {
                "label": one.label,
                "names": [label_name(key) for key in one.keys] or [one.label],
                "judged": one.judged,
                **{kind.replace(" ", "_"): count for kind, count in _count_flips(one).items()},
            }
            for one in found.labels
        ],
        "questions": [
            {
                "label": one.label,
                "question": question,
                "before": round_metric(change.before),
                "after": round_metric(change.after),
                "difference": round_metric(change.after - change.before),
                "adjusted_p": change.adjusted_p,
                "changed_groups": change.changed_groups,
                "noticeable": round_metric(change.noticeable),
                "answer": _answer(found, change),
            }
            for one in found.labels
            for question, change in one.questions.items()
        ],
        "figures": [
            {
                "label": one.label,
                "figure": name,
                "before": round_metric(figure.before),
                "after": round_metric(figure.after),
                "low": round_metric(figure.interval.low),
                "high": round_metric(figure.interval.high),
                "no_interval": figure.interval.reason,
            }
            for one in found.labels
            for name, figure in one.figures.items()
        ],
        "flips": [
            {
                "image_id": flip.image_id,
                "label": one.label,
                **_read_flip(one, flip, label_name),
                "kind": flip.kind,
            }
            for one, flip in _list_flips(found)
        ],
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
    lines.append(f"compared on {found.n or 'no'} photos that {who} judged and neither side has learned from")
    reasons = {
        "that one side has learned from": found.learnt_from,
        "that not both sides label": found.not_in_both,
    }
    if left_out := [f"{n} {reason}" for reason, n in reasons.items() if n]:
        lines.append(f"judged photos left out: {', '.join(left_out)}")
    return lines


def _describe_labels(found: LabelComparison) -> list[tuple[str, list[str]]]:
    """Return, for each label that differs, how its judged photos changed, and what can be concluded."""
    described = []
    for one in found.labels:
        counts, said = _count_flips(one), "no judged photo is among those that changed"
        if one.flips:
            said = (
                f"now right on {counts['now right']} of the judged photos, now wrong on {counts['now wrong']}"
            )
        if counts["still wrong"]:
            said += f", wrong in another way on {counts['still wrong']}"
        described.append((f"{_show(found, one)}: {said}", _describe_evidence(found, one.questions)))
    return described


def _verdict_lines(found: LabelComparison) -> list[str]:
    return [
        line
        for heading, statements in _describe_labels(found)
        for line in (heading, *(f"  {statement}" for statement in statements))
    ]


def _describe_evidence(found: LabelComparison, questions: Mapping[str, Change]) -> list[str]:
    if not questions:
        return ["cannot tell which side is better: it is not judged on any of these photos"]
    said = {
        name: f"{_answer(found, one)} {name} ({100 * one.before:.1f} → {100 * one.after:.1f} in 100 photos)"
        for name, one in questions.items()
        if found.is_real(one)
    }
    wrong, real = questions["wrong"], [text for name, text in said.items() if name != "wrong"]
    if "wrong" in said:
        return [*real, f"{said['wrong']}: B is {'better' if wrong.after < wrong.before else 'worse'}"]
    doubt = "whether more or fewer are wrong" if real else "which side is better"
    size = (
        f"a difference below {100 * wrong.noticeable:.1f} in 100"
        if wrong.noticeable < 1
        else "any difference"
    )
    return [*real, f"cannot tell {doubt}: {size} may go unnoticed"]


def _answer(found: LabelComparison, change: Change) -> str:
    """Return `more` or `fewer` if a difference is larger than chance explains, else why not."""
    if not change.changed_groups:
        return "no judged photo changed"
    if not found.is_real(change):
        return "cannot tell"
    return "more" if change.after > change.before else "fewer"


def _tables(found: LabelComparison) -> list[tuple[str, tuple[str, ...], list[list[str]], str]]:
    """Return the title, columns, rows and explanation of both tables."""
    return [
        ("What changed", CHANGE_COLUMNS, _change_rows(found), _explain_changes(found)),
        ("Figures", FIGURE_COLUMNS, _figure_rows(found), _explain_figures(found)),
    ]


def _explain_changes(found: LabelComparison) -> str:
    rows = sum(change.changed_groups > 0 for one in found.labels for change in one.questions.values())
    several = f" The more rows, the likelier one of them stands out by chance: p allows for all {rows}."
    return (
        "Each judged photo counts for as many as it stands for. p: how often chance alone would make a "
        "row differ this much if A and B were equally good."
        f"{several if rows > 1 else ''} noticeable: the true difference that {POWER:.0%} of such comparisons "
        'would find; smaller ones are found less often, so "cannot tell" is not "no difference".'
    )


def _explain_figures(found: LabelComparison) -> str:
    return (
        "range: where the true difference probably lies. In "
        f"{found.level:.0%} of such comparisons all of these ranges are right at once."
    )


def _change_rows(found: LabelComparison) -> list[list[str]]:
    return [
        [
            f"{_show(found, label)} {question}",
            f"{100 * change.before:.1f}",
            f"{100 * change.after:.1f}",
            f"{100 * (change.after - change.before):+.1f}",
            # Never 0: chance can always make any difference.
            (f"{p:.3f}" if (p := change.adjusted_p) >= 0.001 else "< 0.001") if change.changed_groups else "",
            "" if found.is_real(change) else f"{100 * change.noticeable:.1f}",
            _answer(found, change),
        ]
        for label in found.labels
        for question, change in label.questions.items()
    ]


def _figure_rows(found: LabelComparison) -> list[list[str]]:
    rows = []
    for label in found.labels:
        for name, figure in label.figures.items():
            a, b, interval = figure.before, figure.after, figure.interval
            apart = "" if a is None or b is None else f"{b - a:+.3f}"
            ends = explain_no_interval(interval.reason) or f"{interval.low:+.3f} to {interval.high:+.3f}"
            values = ("-" if one is None else f"{one:.3f}" for one in (a, b))
            rows.append([f"{_show(found, label)} {name}", *values, apart, ends])
    return rows


def _show(found: LabelComparison, label: LabelChange) -> str:
    """Return a label's name where people read."""
    return found.names[label.keys[0]] if len(label.keys) == 1 else label.label


def _list_flips(found: LabelComparison) -> list[LabelFlip]:
    return [(label, flip) for label in found.labels for flip in label.flips]


def _sort_flips(flips: Sequence[LabelFlip]) -> list[LabelFlip]:
    """Return the flips, those now wrong first, then those now right, else in their order."""
    return sorted(flips, key=lambda one: get_args(Kind).index(one[1].kind))


def _choose_flips(flips: Sequence[LabelFlip]) -> list[LabelFlip]:
    """Return a few flips, the first of each kind and label before the second of any."""
    places: dict[tuple[Kind, str], Iterator[int]] = defaultdict(count)
    in_turn = sorted(flips, key=lambda one: next(places[one[1].kind, one[0].label]))
    return _sort_flips(in_turn[:MOST_FLIPS_SHOWN])


def _flip_rows(
    found: LabelComparison, flips: Sequence[LabelFlip], photos: Mapping[str, str]
) -> list[tuple[str, ...]]:
    """Return each flip's id, photo, label, labels by A, by B and in truth, and kind, as people read them."""
    return [
        (
            flip.image_id,
            photos.get(flip.image_id, flip.image_id),
            _show(found, label),
            *_read_flip(label, flip, found.names.__getitem__).values(),
            flip.kind,
        )
        for label, flip in flips
    ]


def _read_flip(label: LabelChange, flip: Flip, name: Callable[[str], str]) -> dict[str, str]:
    """Return `before`, `after` and `true` as text: names, or yes and no where it is about one label."""

    def read(keys: list[str]) -> str:
        if len(label.keys) == 1:
            return "yes" if keys else "no"
        return ", ".join(map(name, keys)) or "none"

    return {"before": read(flip.before), "after": read(flip.after), "true": read(flip.true)}


def _count_flips(label: LabelChange) -> dict[Kind, int]:
    counts = Counter(flip.kind for flip in label.flips)
    return {kind: counts[kind] for kind in ("now right", "now wrong", "still wrong")}
