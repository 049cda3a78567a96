import numpy as np

from vibe_photos.records.ground_truth import TrainingRecord
from vibe_photos.train.targets import find_people_labels, find_targets

MOUSE = "object.electronics.peripheral.mouse"


def photo(number: int, **truth) -> TrainingRecord:
    return TrainingRecord(image_id=f"{number:032x}", group=f"{number:032x}", fold=0, **truth)


def test_scenes_are_one_hot_over_the_learnable_ones(taxonomy):
    records = [
        photo(0, scene=["scene.food"]),
        photo(1, scene=["scene.people"]),
        photo(2, scene=["scene.food"]),
        photo(3, scene=[]),
        photo(4, scene=["scene.food", "scene.people"]),
        photo(5, scene=["scene.other"]),
        photo(6, scene=["scene.people"]),
    ]
    targets = find_targets("scene", records, taxonomy, min_positive=2)
    assert targets.labels == ("scene.food", "scene.people")
    # No scene, two scenes, and a scene that is too rare teach nothing.
    assert targets.rows.tolist() == [0, 1, 2, 6]
    assert targets.y.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]
    assert targets.is_judged.tolist() == [[True]] * 4
    assert targets.support == {"scene.food": 2, "scene.people": 2}
    assert targets.not_learnable["scene.other"] == 1
    assert targets.not_learnable["scene.landscape"] == 0


def test_an_attribute_is_learnt_where_it_is_judged_and_no_photo_is_dropped_for_another(taxonomy):
    records = [
        photo(0, attributes={"attr.has_person": True, "attr.has_text": False}),
        photo(1, attributes={"attr.has_person": False}),
        photo(2, attributes={"attr.has_text": True}),
        photo(3, attributes={}),
        photo(4, attributes={"attr.has_animal": True}),
    ]
    targets = find_targets("attribute", records, taxonomy, min_positive=1)
    assert targets.labels == ("attr.has_person", "attr.has_text")
    assert targets.rows.tolist() == [0, 1, 2]
    assert targets.is_judged.tolist() == [[True, True], [True, False], [False, True]]
    assert targets.y.tolist() == [[1, 0], [0, 0], [0, 1]]
    # Seen once, never seen absent: nothing to tell it from.
    assert targets.not_learnable["attr.has_animal"] == 0


def test_an_object_makes_its_ancestors_present(taxonomy):
    records = [
        photo(0, objects=[MOUSE]),
        photo(1, objects=["object.electronics.peripheral.keyboard"]),
        photo(2, objects=["object.food.dessert"]),
        photo(3, objects=[]),
    ]
    targets = find_targets("object", records, taxonomy, min_positive=2)
    assert targets.labels == ("object.electronics",)
    assert targets.y[:, 0].tolist() == [1, 1, 0, 0]
    assert targets.not_learnable[MOUSE] == 1
    assert targets.not_learnable["object.food"] == 1


def test_nothing_said_is_nothing_to_learn(taxonomy):
    for head in ("scene", "attribute", "object"):
        targets = find_targets(head, [], taxonomy, min_positive=1)
        assert targets.labels == ()
        assert targets.y.shape == (0, 0)
        assert np.array_equal(targets.rows, [])


def test_what_people_gave_is_told_for_each_attribute_and_for_all_scenes_or_objects_at_once():
    labels = ["attr.has_text", "attr.has_person"]
    records = [photo(0), photo(1, by_people=["attr.has_person", "attr.is_document"])]
    assert find_people_labels("attribute", records, labels).tolist() == [[False, False], [False, True]]
    scenes = [photo(0, by_people=["scene"]), photo(1)]
    assert find_people_labels("scene", scenes, ["scene.food", "scene.other"]).tolist() == [[True], [False]]
    assert find_people_labels("object", [photo(0, by_people=["objects"])], []).tolist() == [[True]]
    assert find_people_labels("attribute", [], labels).shape == (0, 2)
