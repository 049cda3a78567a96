from collections.abc import Callable

import numpy as np
import pytest

from vibe_photos.report.mistakes import MOST_PHOTOS_OF_A_KIND, MistakeKind, find_mistakes
from vibe_photos.settings import Taxonomy
from vibe_photos.statistics.design import simple_design
from vibe_photos.statistics.label_arrays import JudgedPhotos, LabelArrays, LabelKeys
from vibe_photos.statistics.metrics import UNJUDGED

KEYS = LabelKeys(["scene.food", "scene.people"], ["attr.has_text"], ["object.food", "object.food.dessert"])


def opinions(
    scene: list[int],
    text: list[int],
    objects: list[list[int]],
    scores: list[float],
    gives_dessert: bool = True,
) -> LabelArrays:
    n = len(scene)
    object_scores = np.tile(np.array(scores)[:, None], 2)
    return LabelArrays(
        np.array(scene),
        np.array(text, np.int8).reshape(n, 1),
        np.array(objects, np.int8).reshape(n, 2),
        np.array(scores),
        np.array(scores).reshape(n, 1),
        object_scores,
        is_scored=True,
        gives_object=np.array([True, gives_dessert]),
    )


Find = Callable[[LabelArrays, LabelArrays], dict[str, list[MistakeKind]]]


@pytest.fixture
def find(taxonomy: Taxonomy) -> Find:
    def find_them(truth: LabelArrays, prediction: LabelArrays) -> dict[str, list[MistakeKind]]:
        ids = [f"photo{row}" for row in range(len(truth.scene))]
        design = simple_design(np.arange(len(ids)))
        return find_mistakes(JudgedPhotos(ids, KEYS, truth, prediction, design), taxonomy)

    return find_them


def test_kinds_say_what_was_said_and_what_is_true(find: Find) -> None:
    truth = opinions([0, 0, 1, 0], [1, 0, 1, UNJUDGED], [[0, 1], [0, 0], [1, 0], [0, 0]], [0] * 4)
    prediction = opinions(
        [1, 1, -1, 0], [0, 1, UNJUDGED, 1], [[1, 0], [1, 1], [-1, -1], [0, 0]], [0.6, 0.9, np.nan, 0.8]
    )
    kinds = find(truth, prediction)
    assert [(kind.title, kind.count) for kind in kinds["Scenes"]] == [
        ("Food labelled as People", 2),
        ("People labelled as no scene", 1),
    ]
    # By these the confusion matrix's cells find them.
    assert [kind.anchor for kind in kinds["Scenes"]] == ["scene-food-people", "scene-people-missing"]
    # The surer of the two comes first.
    assert [(m.image_id, m.score) for m in kinds["Scenes"][0].worst] == [("photo1", 0.9), ("photo0", 0.6)]
    # Photo 2 has no judgement of text; photo 3 has no truth of it, and no mistake.
    assert [kind.title for kind in kinds["Attributes"]] == [
        "Text not judged",
        "Text overlooked",
        "Text wrongly given",
    ]
    # Photo 0: food said, dessert true: it is food, and only dessert is overlooked. Photo 1 shows neither.
    assert [(kind.title, kind.count) for kind in kinds["Objects"]] == [
        ("Dessert overlooked", 1),
        ("Dessert wrongly given", 1),
        ("Food not judged", 1),
        ("Food wrongly given", 1),
    ]


def test_a_label_that_is_given_to_no_photo_is_no_mistake_of_each(find: Find) -> None:
    truth = opinions([0], [1], [[0, 1]], [0])
    assert "Objects" in find(truth, opinions([0], [1], [[1, 0]], [0.9]))
    assert find(truth, opinions([0], [1], [[1, 0]], [0.9], gives_dessert=False)) == {}


def test_only_the_worst_of_a_kind_are_kept_and_all_counted(find: Find) -> None:
    n = 20
    truth = opinions([0] * n, [0] * n, [[0, 0]] * n, [0] * n)
    prediction = opinions([1] * n, [0] * n, [[0, 0]] * n, list(np.linspace(0.5, 0.9, n)))
    kind = find(truth, prediction)["Scenes"][0]
    assert kind.count == n
    assert len(kind.worst) == MOST_PHOTOS_OF_A_KIND
    assert kind.worst[0].image_id == "photo19"


def test_no_mistakes_no_kinds(find: Find) -> None:
    same = opinions([0], [1], [[0, 1]], [0.9])
    assert find(same, same) == {}
