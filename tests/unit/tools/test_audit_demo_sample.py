import json
from pathlib import Path

import pytest
from tools.audit_demo_sample import audit_sample

TRUTH = {"scene": ["scene.food"], "attributes": {"attr.has_person": False}, "objects": ["object.food"]}


@pytest.fixture
def truth_file(tmp_path: Path) -> Path:
    records = [{"image_id": name, "rel_path": f"{name}.jpg", **TRUTH} for name in ("aa", "bb", "cc")]
    path = tmp_path / "truth.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_the_sample_is_audited_in_its_own_order(tmp_path: Path, truth_file: Path) -> None:
    sample, audited = tmp_path / "to_review.json", tmp_path / "human" / "audited.json"
    sample.write_text(json.dumps([{"image_id": "cc", "stratum": "x", "scene": []}, {"image_id": "aa"}]))
    assert audit_sample(sample, truth_file, audited) == 2
    expected = [{"image_id": "cc", **TRUTH}, {"image_id": "aa", **TRUTH}]
    assert audited.read_text() == json.dumps(expected, indent=2) + "\n"


def test_a_foreign_photo_stops_the_audit_and_is_named(tmp_path: Path, truth_file: Path) -> None:
    sample, audited = tmp_path / "to_review.json", tmp_path / "audited.json"
    sample.write_text(json.dumps([{"image_id": "zz"}]))
    with pytest.raises(SystemExit, match="zz"):
        audit_sample(sample, truth_file, audited)
    assert not audited.exists()
