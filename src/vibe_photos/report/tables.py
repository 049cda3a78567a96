"""Per-class tables, made by pandas; names are escaped by it."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from vibe_photos.statistics.summary import Figures, read_interval


def scene_table(student: Figures, teacher: Figures | None) -> Markup:
    """Return one row a scene: photos, precision, recall, F1, and the teacher's F1."""
    theirs = {row["scene"]: row["f1"] for row in teacher["scene"]["per_class"]} if teacher else {}
    rows = [
        {
            "scene": row["scene"],
            "photos": str(row["support"]),
            **_shares(row, ("precision", "recall", "f1")),
            **({"teacher": format_share(theirs.get(row["scene"]))} if teacher else {}),
        }
        for row in student["scene"]["per_class"]
    ]
    return _to_html(rows)


def attribute_table(student: Figures, teacher: Figures | None) -> Markup:
    """Return one row an attribute: photos, positives, precision, recall, F1 with interval, the teacher's."""
    rows = []
    for name, values in student["attributes"].items():
        row = {
            "attribute": name,
            "photos": str(values["support"]),
            "with it": str(values["positives"]),
            **_shares(values, ("precision", "recall", "f1")),
            "F1 interval": format_interval(values, "f1"),
        }
        if "average_precision" in values:
            row["average precision"] = format_share(values["average_precision"])
        if teacher:
            row["teacher"] = format_share(teacher["attributes"].get(name, {}).get("f1"))
        rows.append(row)
    return _to_html(rows)


def object_table(student: Figures, teacher: Figures | None) -> Markup:
    """Return one row a figure of objects: value, interval, the teacher's."""
    names = {
        "top1": "best guess is right",
        "top3": "one of three guesses is right",
        "top1_hierarchical": "best guess is right or its parent",
        "coverage": "true objects it has a label for",
        "precision": "precision",
        "recall": "recall",
        "f1": "F1",
    }
    objects = student["objects"]
    rows = [
        {
            "objects": text,
            "student": format_share(objects[name]),
            "interval": format_interval(objects, name),
            **({"teacher": format_share(teacher["objects"].get(name))} if teacher else {}),
        }
        for name, text in names.items()
        if name in objects
    ]
    return _to_html(rows)


def format_share(value: float | None) -> str:
    """Return a share in 0..1 as a percentage, a dash where there is none."""
    return "–" if value is None else f"{100 * value:.0f} %"


def format_interval(figures: Figures, name: str) -> str:
    """Return a figure's interval in percent, empty where it has none."""
    interval = read_interval(figures, name)
    return (
        "" if interval is None or interval.reason else f"{100 * interval.low:.0f}–{100 * interval.high:.0f}"
    )


def _shares(values: Figures, names: Sequence[str]) -> dict[str, str]:
    return {"F1" if name == "f1" else name: format_share(values[name]) for name in names}


def _to_html(rows: Sequence[Mapping[str, str]]) -> Markup:
    if not rows:
        return Markup("")
    import pandas as pd

    html = pd.DataFrame(rows).to_html(index=False, border=0, escape=True, classes="figures", justify="unset")
    return Markup(html)
