"""What a colleague can do with a clone: without the photos (see also test_workflow.py), and with them."""

import json
import shutil

import msgspec


def test_no_stage_needs_a_folder_of_which_another_needs_a_file(repository):
    """`--allow-missing` would fetch that file alone, and lock the folder as if it had no other."""
    stages = msgspec.yaml.decode((repository / "dvc.yaml").read_bytes())["stages"]
    read = set()
    for stage in stages.values():
        for instance in stage.get("foreach", {"": ""}).values():
            read |= {path.replace("${item}", instance) for path in (stage.get("do") or stage).get("deps", [])}
    data = {path for path in read if path.startswith("data/")}
    assert len(data) > 15
    assert not [path for path in data if any(other.startswith(f"{path}/") for other in data)]


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
    photos_before = len(pushed.bytes("data/library/photos.jsonl").splitlines())
    answers = colleague.bytes("data/annotations/qwen_vl_raw_annotations.jsonl").splitlines()
    # The store took over what was pulled; the one recorded answer cannot have answered for another photo.
    assert len(answers) == colleague.paid() == photos_before + 1
