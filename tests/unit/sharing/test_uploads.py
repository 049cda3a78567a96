"""What kind of thing a file of the project is."""

import pytest

from vibe_photos.sharing.uploads import name_kind


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("data/library/photos.jsonl", "manifest of the photos"),
        ("data/annotations/failures.jsonl", "teacher's answers"),
        ("data/ground_truth/auto/scene.jsonl", "labels by the teacher"),
        ("data/ground_truth/to_review.json", "review sample and splits"),
        ("data/human/decisions/anna.jsonl", "human truth"),
        ("data/human/draws/1.json", "record of the draws"),
        ("data/eval/human/plots/precision_recall/has_person.csv", "metrics and plots"),
        ("models/scene_head_from_qwen.pt", "heads"),
        ("conf/teacher/demo.yaml", "configuration"),
        ("params.yaml", "configuration"),
        ("data/library/.gitignore", "code and other files"),
        ("src/vibe_photos/errors.py", "code and other files"),
        ("data/human/IMG_1.HEIC", "photos"),
    ],
)
def test_kinds(path, kind):
    assert name_kind(path) == kind


def test_the_pictures_of_our_documents_are_nobodys_photos(repository):
    pictures = [path.relative_to(repository).as_posix() for path in (repository / "docs").glob("*.png")]
    assert pictures
    assert {name_kind(path) for path in pictures} == {"code and other files"}
    assert name_kind("docs/beach.png") == "photos"
