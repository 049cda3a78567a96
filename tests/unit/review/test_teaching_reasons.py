"""Why a photo is worth a look: each question is asked once."""

import numpy as np

from vibe_photos.review.teaching_reasons import SCENE, Reason, explain

HERE = np.array([True])


def reason(kind: str, question: str, says: str) -> Reason:
    return Reason(kind, question, HERE, lambda row: says)


REASONS = [
    reason("unsure student", SCENE, "undecided between Food and Other"),
    reason("unsure student", "attr.has_text", "unsure of Text"),
    reason("disagreement", SCENE, "the teacher says Food, the student Other"),
    reason("rare scene", SCENE, "Food"),
    reason("rare scene", SCENE, "Other"),
    reason("rare attribute", "attr.has_text", "Text"),
    reason("rare object", "object.food", "Food on it"),
]


def test_one_question_gives_one_reason_the_most_telling() -> None:
    assert explain(REASONS, 0) == [
        "the teacher says Food, the student Other",
        "unsure of Text",
        "perhaps one of the few photos with Food on it",
    ]


def test_what_a_suspicion_told_is_not_told_again() -> None:
    assert explain(REASONS, 0, [SCENE, "attr.has_text"]) == ["perhaps one of the few photos with Food on it"]


def test_all_rare_labels_of_a_question_are_named() -> None:
    assert explain(REASONS[3:5], 0) == ["perhaps one of the few photos with Food, Other"]
