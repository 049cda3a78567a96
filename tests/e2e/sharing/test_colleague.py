"""What a colleague can do with a clone: without the photos (see also test_workflow.py), and with them."""

import json
import shutil


def test_without_the_list_of_photos_the_way_is_told(colleague):
    result = colleague.run("python", "stages/scan_library.py", check=False)
    assert result.returncode == 1
    assert "`dvc pull scan` fetches their list" in result.stdout


def test_with_the_photos_only_a_new_one_is_paid(pushed, colleague, new_photo):
    """The same photos under another root and one more, no store, and a teacher who knows only that one."""
    colleague.run("dvc", "pull")
    photos = colleague.root.parent / "elsewhere"
    shutil.copytree(pushed.root.parent / "photos", photos)
    image_id = new_photo(photos / "2019" / "NEW.JPG")
    recordings = colleague.root / "data/demo/teacher_answers.simulated.jsonl"
    answer = json.loads(recordings.read_text().splitlines()[0]) | {"image_id": image_id}
    recordings.write_text(json.dumps(answer) + "\n")
    colleague.replace("params.yaml", "root: ../photos", f"root: {photos}")
    result = colleague.repro("annotate", "embed")
    assert result.ran == {"annotate", "embed"}
    assert "vectors reused, 1 computed" in result.text
    assert colleague.paid() == 1
    photos_before = len(pushed.bytes("data/library/photos.jsonl").splitlines())
    answers = colleague.bytes("data/annotations/qwen_vl_raw_annotations.jsonl").splitlines()
    assert len(answers) == photos_before + 1
