"""Truth records, and the difference between two of them, as one line of text."""

from vibe_photos.records.ground_truth import GroundTruth


def describe_difference(was: GroundTruth | None, is_now: GroundTruth | None) -> str:
    """Return the difference between two truths as one line; empty if they are the same."""
    if was is None:
        return "" if is_now is None else f"new: {describe_labels(is_now)}"
    old, new = _list_labels(was), _list_labels(is_now)
    gone = [f"-{label}" for label in old if label not in new]
    return " ".join([*gone, *(f"+{label}" for label in new if label not in old)])


def describe_labels(record: GroundTruth | None) -> str:
    """Return a truth as one line of label keys."""
    return " ".join(_list_labels(record)) or "(no label)"


def _list_labels(record: GroundTruth | None) -> list[str]:
    if record is None:
        return []
    judged = [f"{key}={'yes' if value else 'no'}" for key, value in sorted(record.attributes.items())]
    return [*record.scene, *judged, *sorted(record.objects)]
