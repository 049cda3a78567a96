import numpy as np

from vibe_photos.report.mistakes import MOST_PHOTOS_OF_A_KIND, MistakeKind, find_mistakes
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


def find(truth: LabelArrays, prediction: LabelArrays) -> dict[str, list[MistakeKind]]:
    ids = [f"photo{row}" for row in range(len(truth.scene))]
    return find_mistakes(JudgedPhotos(ids, KEYS, truth, prediction, simple_design(np.arange(len(ids)))))


def test_kinds_say_what_was_said_and_what_is_true() -> None:
    truth = opinions([0, 0, 1, 0], [1, 0, 1, UNJUDGED], [[0, 1], [0, 0], [1, 0], [0, 0]], [0] * 4)
    prediction = opinions(
        [1, 1, -1, 0], [0, 1, UNJUDGED, 1], [[1, 0], [1, 1], [-1, -1], [0, 0]], [0.6, 0.9, np.nan, 0.8]
    )
    kinds = find(truth, prediction)
    assert [(kind.title, kind.count) for kind in kinds["Scenes"]] == [
        ("food labelled as people", 2),
        ("people labelled as no scene", 1),
    ]
    # The surer of the two comes first.
    assert [(m.image_id, m.score) for m in kinds["Scenes"][0].worst] == [("photo1", 0.9), ("photo0", 0.6)]
    # Photo 2 has no judgement of text; photo 3 has no truth of it, and no mistake.
    assert [kind.title for kind in kinds["Attributes"]] == [
        "has_text overlooked",
        "no label for has_text",
        "wrongly labelled has_text",
    ]
    # Photo 0: food said, dessert true: it is food, and only dessert is overlooked. Photo 1 shows neither.
    assert [(kind.title, kind.count) for kind in kinds["Objects"]] == [
        ("dessert overlooked", 1),
        ("no label for food", 1),
        ("wrongly labelled dessert", 1),
        ("wrongly labelled food", 1),
    ]


def test_a_label_that_is_given_to_no_photo_is_no_mistake_of_each() -> None:
    truth = opinions([0], [1], [[0, 1]], [0])
    assert "Objects" in find(truth, opinions([0], [1], [[1, 0]], [0.9]))
    assert find(truth, opinions([0], [1], [[1, 0]], [0.9], gives_dessert=False)) == {}


def test_only_the_worst_of_a_kind_are_kept_and_all_counted() -> None:
    n = 20
    truth = opinions([0] * n, [0] * n, [[0, 0]] * n, [0] * n)
    prediction = opinions([1] * n, [0] * n, [[0, 0]] * n, list(np.linspace(0.5, 0.9, n)))
    kind = find(truth, prediction)["Scenes"][0]
    assert kind.count == n
    assert len(kind.worst) == MOST_PHOTOS_OF_A_KIND
    assert kind.worst[0].image_id == "photo19"


def test_no_mistakes_no_kinds() -> None:
    same = opinions([0], [1], [[0, 1]], [0.9])
    assert find(same, same) == {}
