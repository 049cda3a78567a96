"""Two label tables of forty photos whose every change can be counted by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from vibe_photos.compare.compare import Flip, LabelComparison, LabelSet, compare_labels
from vibe_photos.compare.text import comparison_mapping, format_brief, format_comparison
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable
from vibe_photos.records.splits import Membership
from vibe_photos.settings import Evaluate, Taxonomy

IDS = [f"p{number:02d}" for number in range(40)]
KEYS = ["attr.has_text", "object.drink", "object.food", "object.food.dessert", "scene.food", "scene.people"]


def table(
    ids: list[str], scenes: dict[str, str], texts: set[str], objects: dict[str, list[str]]
) -> LabelTable:
    """Return labels: scene food unless said otherwise, has_text where listed, objects where listed."""
    value = np.zeros((len(ids), len(KEYS)), np.int8)
    for row, image_id in enumerate(ids):
        said = {f"scene.{scenes.get(image_id, 'food')}", *objects.get(image_id, [])}
        said |= {"attr.has_text"} if image_id in texts else set()
        value[row] = [key in said for key in KEYS]
    level = {key: {"attr": "attribute"}.get(key.split(".")[0], key.split(".")[0]) for key in KEYS}
    source, threshold = dict.fromkeys(KEYS, "head"), dict.fromkeys(KEYS, 0.5)
    return LabelTable(ids, KEYS, level, source, threshold, value * 0.8 + 0.1, value)


def member(image_id: str, role: str = "reserved", half: str | None = "score") -> Membership:
    return Membership(group=image_id, fold=0, role=role, number=0.0, half=half)


@pytest.fixture
def compare(
    taxonomy: Taxonomy, evaluate: Evaluate, make_truth: Callable[..., GroundTruth]
) -> Callable[..., LabelComparison]:
    """Return a function that compares two tables; has_text is true of the first twenty photos."""
    members = {image_id: member(image_id) for image_id in IDS}
    records = [make_truth(image_id, "food", (), has_text=number < 20) for number, image_id in enumerate(IDS)]

    def run(before: LabelTable, after: LabelTable, **options: object) -> LabelComparison:
        sides = options.get("sides", (members, members))
        is_tuned = bool(options.get("is_tuned"))
        return compare_labels(
            LabelSet("A", before, sides[0]),
            LabelSet("B", after, sides[1], is_tuned),
            "human",
            options.get("records", records),
            members,
            taxonomy,
            evaluate,
        )

    return run


def test_flips_questions_and_figures(compare: Callable[..., LabelComparison]) -> None:
    before = table(IDS, dict.fromkeys(IDS[:12], "people"), set(IDS[:20]), {})
    after = table(IDS, {IDS[0]: "people", IDS[39]: "people"}, {*IDS[:19], *IDS[20:25]}, {})
    found = compare(before, after)
    assert (found.n, found.photos, found.changed_photos) == (40, 40, 18)
    scene, text = found.labels
    # Scenes: 12 of 40 wrong, then 2: 11 now right, 1 now wrong. Alone, p is 2 * (1 + 12) / 2^12.
    assert [flip.kind for flip in scene.flips].count("now right") == 11
    assert Flip(IDS[39], ["scene.food"], ["scene.people"], ["scene.food"], "now wrong") in scene.flips
    assert list(scene.questions) == ["wrong"]
    wrong = scene.questions["wrong"]
    assert (wrong.before, wrong.after, wrong.changed_groups) == (12 / 40, 2 / 40, 12)
    assert 26 / 4096 <= wrong.adjusted_p <= 4 * 26 / 4096
    # has_text: all twenty found and no other, then 19 found and five others: 1 missed, 5 false, 6 wrong.
    changes = {name: (one.before, one.after) for name, one in text.questions.items()}
    assert changes == {
        "wrong": (0, 6 / 40),
        "false positives": (0, 5 / 40),
        "false negatives": (0, 1 / 40),
    }
    figures = {name: (one.before, one.after) for name, one in text.figures.items()}
    assert figures == {
        "precision": (1, pytest.approx(19 / 24)),
        "recall": (1, pytest.approx(19 / 20)),
        "F1": (1, pytest.approx(2 * 19 / (24 + 20))),
        "accuracy": (1, pytest.approx(34 / 40)),
    }
    assert text.figures["precision"].interval.low < 19 / 24 - 1 < text.figures["precision"].interval.high
    assert Flip(IDS[19], ["attr.has_text"], [], ["attr.has_text"], "now wrong") in text.flips


def test_it_says_what_is_proved_and_how_small_a_difference_could_be_missed(
    compare: Callable[..., LabelComparison],
) -> None:
    before = table(IDS, dict.fromkeys(IDS[:12], "people"), set(IDS[:20]), {})
    after = table(IDS, {}, {*IDS[:20], *IDS[20:23]}, {})
    found = compare(before, after)
    text = format_comparison(found, {IDS[0]: "2019/a.jpg"})
    unseen = 100 * found.labels[1].questions["wrong"].noticeable
    assert (
        f"""\
scene: now right on 12 of the judged photos, now wrong on 0
  fewer wrong (30.0 → 0.0 in 100 photos): B is better
Text: now right on 0 of the judged photos, now wrong on 3
  cannot tell which side is better: a difference below {unseen:.1f} in 100 may go unnoticed
"""
        in text
    )
    assert "p allows for all 3" in text  # scene wrong, has_text wrong and false positives
    assert "Text false negatives   0.0  0.0   +0.0" in text
    assert "no judged photo changed" in text
    assert "now right    2019/a.jpg  scene: People → Food (true: Food)" in text
    assert "and 5 more: --json lists all" in text
    brief = format_brief(found, ["classify"])
    interval = found.labels[0].figures["accuracy"].interval
    assert brief.startswith("ran since A: classify\nB (B) against A (A): 15 of 40 photos are labelled diff")
    assert f"  scene accuracy +0.300 ({interval.low:+.3f} to {interval.high:+.3f})" in brief
    assert "  Text recall +0.000 (no photo moves it)" in brief
    answers = {
        (one["label"], one["question"]): one["answer"] for one in comparison_mapping(found)["questions"]
    }
    assert answers["scene", "wrong"] == "fewer"
    assert answers["has_text", "wrong"] == "cannot tell"


def test_the_same_labels_are_said_to_be_the_same(compare: Callable[..., LabelComparison]) -> None:
    same = table(IDS, {}, set(), {})
    found = compare(same, same)
    assert (
        format_comparison(found, {})
        == "B (B) against A (A): the labels are the same on all 40 photos that both label"
    )
    assert format_brief(found, ["classify"]) == f"ran since A: classify\n{format_comparison(found, {})}"


def test_two_libraries_without_a_common_photo_cannot_be_compared(
    compare: Callable[..., LabelComparison],
) -> None:
    found = compare(table(IDS[:15], {}, set(), {}), table(IDS[15:], {}, set(), {}))
    assert format_comparison(found, {}) == (
        "B (B) against A (A): nothing can be compared, because no photo is labelled by both "
        "(labelled by A alone: 15, by B alone: 25)"
    )
    two_more = compare(table(IDS[:15], {}, set(), {}), table(IDS[13:], {}, set(), {}))
    assert format_comparison(two_more, {}).splitlines() == [
        "B (B) against A (A): the labels are the same on all 2 photos that both label",
        "labelled by A alone: 13, by B alone: 25",
    ]


def test_not_judged_and_absent_look_the_same(compare: Callable[..., LabelComparison]) -> None:
    before, after = table(IDS, {}, set(), {}), table(IDS, {}, set(), {})
    before.value[:, KEYS.index("attr.has_text")] = -1
    before.value[:, KEYS.index("object.drink")] = -1
    assert compare(before, after).changed_photos == 0
    after.value[7, KEYS.index("attr.has_text")] = 1
    found = compare(before, after)
    assert [(one.label, len(one.flips)) for one in found.labels] == [("has_text", 1)]
    assert found.changed_photos == 1


def test_objects_flip_with_their_parents_and_read_by_their_most_specific_keys(
    compare: Callable[..., LabelComparison], make_truth: Callable[..., GroundTruth]
) -> None:
    records = [make_truth("p00", "food", ("food.dessert",)), make_truth("p01", "food", ("drink",))]
    dessert = ["object.food", "object.food.dessert"]
    before = table(IDS, {}, set(), {"p00": ["object.food"], "p01": dessert})
    after = table(IDS, {}, set(), {"p00": ["object.food.dessert"], "p01": ["object.food"]})
    [found] = compare(before, after, records=records).labels
    # A dessert is food too, whether a table says so or not; only "dessert" differs, on both photos.
    dessert_key, drink = "object.food.dessert", "object.drink"
    assert found.keys == [dessert_key]
    assert found.flips == [
        Flip("p00", [], [dessert_key], [dessert_key], "now right"),
        Flip("p01", [dessert_key], [], [], "now right"),
    ]
    after = table(IDS, {}, set(), {"p00": dessert, "p01": ["object.food", "object.drink"]})
    [found] = compare(before, after, records=records).labels
    assert (found.label, found.keys) == ("objects", [drink, dessert_key])
    assert found.flips[1] == Flip("p01", [dessert_key], [drink], [drink], "now right")
    # Two labels of two photos: dessert is missed and said once each, drink is missed; then all is right.
    assert [(one.before, one.after) for one in found.questions.values()] == [(1.5, 0), (0.5, 0), (1, 0)]


def test_photos_that_one_side_has_learnt_from_or_lacks_do_not_count(
    compare: Callable[..., LabelComparison],
) -> None:
    before_members = {image_id: member(image_id) for image_id in IDS} | {"p00": member("p00", "train", None)}
    after_members = {image_id: member(image_id) for image_id in IDS} | {"p01": member("p01", half="tune")}
    sides = (before_members, after_members)
    same, short = table(IDS, {}, set(), {}), table(IDS[:-5], {"p05": "people"}, set(), {})
    found = compare(short, same, sides=sides)
    assert (found.n, found.learnt_from, found.not_in_both, found.photos) == (34, 1, 5, 35)
    said = "judged photos left out: 1 that one side has learned from, 5 that not both sides label"
    assert said in format_comparison(found, {})
    # Where photos of the tune half chose B's thresholds, these flatter B.
    assert compare(short, same, sides=sides, is_tuned=True).learnt_from == 2


def test_where_photos_are_left_out_the_others_of_their_stratum_stand_for_them(
    compare: Callable[..., LabelComparison], make_truth: Callable[..., GroundTruth]
) -> None:
    # Two strata, half of each drawn: 20 of 40 photos, and 20 of 40. A has learnt from ten of the first, so
    # the other ten stand for 40. The first is labelled wrongly by A, the second by neither.
    records = [make_truth(i, "food") for i in IDS]
    for record in records:
        record.extra.update(inclusion_probability=0.5, stratum="a" if record.image_id < "p20" else "b")
    learnt = {i: member(i, "train" if i < "p10" else "reserved") for i in IDS}
    before = table(IDS, dict.fromkeys(IDS[:20], "people"), set(), {})
    found = compare(
        before, table(IDS, {}, set(), {}), records=records, sides=(learnt, {i: member(i) for i in IDS})
    )
    wrong = found.labels[0].questions["wrong"]
    assert (found.n, wrong.before, wrong.after) == (30, pytest.approx(0.5), 0)


def test_nothing_judged_says_so(compare: Callable[..., LabelComparison]) -> None:
    found = compare(table(IDS, {}, set(), {}), table(IDS, {}, {"p00"}, {}), records=[])
    assert (found.n, found.changed_photos) == (0, 1)
    for said in (format_comparison(found, {}), format_brief(found, [])):
        assert "compared on no photos that people judged and neither side has learned from" in said
        assert "cannot tell which side is better" in said
