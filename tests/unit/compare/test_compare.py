"""Two label tables of twelve photos whose every figure can be counted by hand."""

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
    members = {image_id: member(image_id) for image_id in IDS}
    records = [make_truth(image_id, "food", (), has_text=number < 20) for number, image_id in enumerate(IDS)]

    def run(before: LabelTable, after: LabelTable, **options: object) -> LabelComparison:
        sides = options.get("sides", (members, members))
        is_tuned = bool(options.get("is_tuned"))
        return compare_labels(
            LabelSet("A", before, sides[0]),
            LabelSet("B", after, sides[1], is_tuned),
            options.get("records", records),
            members,
            taxonomy,
            evaluate,
        )

    return run


def test_figures_flips_and_verdict(compare: Callable[..., LabelComparison]) -> None:
    wrong = dict.fromkeys(IDS[:12], "people")
    before = table(IDS, wrong, set(IDS[:20]), {})
    after = table(IDS, {IDS[0]: "people", IDS[39]: "people"}, set(IDS[:19]), {})
    found = compare(before, after)
    figures = {figure.name: figure for figure in found.figures}
    # Scenes: 28 of 40 right, then 38: 11 fixed, 1 broken. has_text: 20 of 20 found, then 19: F1 38/39.
    assert figures["scene accuracy"].difference.before == pytest.approx(28 / 40)
    assert figures["scene accuracy"].difference.after == pytest.approx(38 / 40)
    # Exact: 2 * (1 + 12) / 2^12, and twice that for two figures that moved.
    assert figures["scene accuracy"].difference.p_value == pytest.approx(26 / 4096)
    assert figures["scene accuracy"].adjusted_p == pytest.approx(52 / 4096)
    assert figures["has_text F1"].difference.value == pytest.approx(38 / 39 - 1)
    assert [figure.name for figure in found.real(0.95)] == ["scene accuracy"]
    assert (found.n, found.photos, found.changed_photos) == (40, 40, 13)
    assert [flip.kind for flip in found.flips].count("fixed") == 11
    assert Flip(IDS[39], "scene", "food", "people", "food", "broken") in found.flips
    assert Flip(IDS[19], "has_text", "yes", "no", "yes", "broken") in found.flips
    text = format_comparison(found, 0.95, {IDS[39]: "2019/a.jpg"})
    assert "distinguishable from noise: scene accuracy up" in text
    assert "broken  2019/a.jpg  scene: food → people (true: food)" in text
    assert "and 3 more: --json lists all" in text
    assert comparison_mapping(found, 0.95)["figures"]["has_text F1"]["is_distinguishable"] is False


def test_the_same_labels_are_said_to_be_the_same(compare: Callable[..., LabelComparison]) -> None:
    same = table(IDS, {}, set(), {})
    found = compare(same, same)
    assert format_comparison(found, 0.95, {}) == "B (B) against A (A): the labels are the same"
    assert format_brief(found, ["classify"], 0.95) == "ran since A: classify\nthe labels are the same as A's"


def test_a_few_flips_are_noise(compare: Callable[..., LabelComparison]) -> None:
    found = compare(table(IDS, dict.fromkeys(IDS[:3], "people"), set(), {}), table(IDS, {}, set(), {}))
    # Three fixed: 2 / 2^3.
    assert format_brief(found, [], 0.95).splitlines() == [
        "ran since A: no stage",
        "3 of 40 photos labelled differently; scene accuracy 0.925 → 1.000",
        "not distinguishable from noise (smallest p 0.25)",
    ]


def test_objects_flip_by_their_most_specific_keys(
    compare: Callable[..., LabelComparison], make_truth: Callable[..., GroundTruth]
) -> None:
    records = [make_truth("p00", "food", ("food.dessert",)), make_truth("p01", "food", ("drink",))]
    dessert = ["object.food", "object.food.dessert"]
    before = table(IDS, {}, set(), {"p00": ["object.food"], "p01": dessert})
    after = table(IDS, {}, set(), {"p00": dessert, "p01": ["object.food"]})
    found = compare(before, after, records=records)
    assert found.flips == [
        Flip("p00", "objects", "food", "dessert", "dessert", "fixed"),
        Flip("p01", "objects", "dessert", "food", "drink", "wrong"),
    ]


def test_photos_that_one_side_has_learnt_from_or_lacks_do_not_count(
    compare: Callable[..., LabelComparison],
) -> None:
    before_members = {image_id: member(image_id) for image_id in IDS} | {"p00": member("p00", "train", None)}
    after_members = {image_id: member(image_id) for image_id in IDS} | {"p01": member("p01", half="tune")}
    sides = (before_members, after_members)
    same, short = table(IDS, {}, set(), {}), table(IDS[:-5], {}, set(), {})
    found = compare(short, same, sides=sides)
    assert (found.n, found.learnt_from, found.not_in_both, found.photos) == (34, 1, 5, 35)
    # Where photos of the tune half chose B's thresholds, these flatter B.
    assert compare(short, same, sides=sides, is_tuned=True).learnt_from == 2


def test_nothing_judged_says_so(compare: Callable[..., LabelComparison]) -> None:
    found = compare(table(IDS, {}, set(), {}), table(IDS, {}, {"p00"}, {}), records=[])
    assert (found.n, found.changed_photos) == (0, 1)
    assert "it is unknown which is better" in format_comparison(found, 0.95, {})
    assert "it is unknown which is better" in format_brief(found, [], 0.95)
