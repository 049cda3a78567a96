"""The first evening of docs/ONE_NIGHT.md: every command, over HTTP with two simulated teachers."""

import json
import re
import subprocess

import pytest
import xxhash
from PIL import Image
from tests.preloaded import preloaded_environment
from tests.stages.test_by_hand import plain_copy  # noqa: F401

PHOTOS, ASKED = 40, 30
SCENES = ("food", "landscape", "people")


def read_commands(repository):
    text = (repository / "docs/ONE_NIGHT.md").read_text()
    section = re.search(r"## The first evening.*?\n(.*?)\n## ", text, flags=re.DOTALL)[1]
    return [
        line for block in re.findall(r"```bash\n(.*?)```", section, re.DOTALL) for line in block.splitlines()
    ]


@pytest.fixture
def evening(plain_copy, tmp_path):  # noqa: F811
    """A library, its truth by `image_id`, and two replayed teachers: one errs on 3 of 40, one on half."""
    photos = tmp_path / "photos"
    for file in photos.iterdir():
        file.unlink()
    for index in range(PHOTOS):
        Image.new("RGB", (80 + index, 60), (5 * index, 90, 10)).save(photos / f"{index:02}.jpg")
    params = plain_copy / "params.yaml"
    params.write_text(params.read_text().replace("data/demo/photos", str(photos)))
    shell(plain_copy, "python stages/scan_library.py")
    manifest = (plain_copy / "data/library/photos.jsonl").read_text().splitlines()
    ids = [json.loads(line)["image_id"] for line in manifest]
    truth = {image_id: SCENES[row % 3] for row, image_id in enumerate(ids)}
    for name, wrong, tokens in (("qwen3_vl_32b", 3, 200), ("qwen3_vl_8b", 20, 100)):
        answers = [
            {
                "image_id": image_id,
                "annotation": {"scene": "product" if row < wrong else truth[image_id], "objects": []},
                "usage": {"prompt_tokens": 1000, "completion_tokens": tokens},
            }
            for row, image_id in enumerate(ids)
        ]
        recordings = tmp_path / f"{name}.jsonl"
        recordings.write_text("".join(json.dumps(answer) + "\n" for answer in answers))
        (plain_copy / f"conf/teacher/{name}.yaml").write_text(
            f"defaults: [/question@_here_, _self_]\nserver: replay\nmodel: {name}\n"
            f"replay: {{recordings: {recordings}}}\n"
        )
    params.write_text(params.read_text().replace("teacher: demo ", "teacher: qwen3_vl_32b "))
    return plain_copy, truth


def shell(folder, command):
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=preloaded_environment(),
    )
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def rate(photo):
    """Write a comment into a JPEG, as programs do with ratings: the same picture in another file."""
    data = photo.read_bytes()
    photo.write_bytes(data[:2] + b"\xff\xfe\0\x06five" + data[2:])
    return xxhash.xxh3_128_hexdigest(photo.read_bytes())


def test_every_command_of_the_first_evening(repository, evening, tmp_path):
    """A photo is rated after the pilot, and one after it was checked: nothing is asked or checked twice."""
    copy, truth = evening
    pilot, repro, review, again = read_commands(repository)
    assert (repro, review) == ("dvc repro sample", "vibe-photos review")
    said = shell(copy, pilot.replace("--photos 200", f"--photos {ASKED}"))
    assert f"{ASKED} photos of {PHOTOS}, drawn at random" in said
    params = copy / "params.yaml"
    params.write_text(
        params.read_text().replace("size: 140", f"size: {ASKED}") + f"\nannotate:\n  budget: {ASKED}\n"
    )
    logs = list((copy / ".store/answers").glob("*/*.jsonl"))
    asked = [json.loads(line)["image_id"] for line in logs[0].read_text().splitlines()]
    file_of = {xxhash.xxh3_128_hexdigest(path.read_bytes()): path for path in tmp_path.glob("photos/*")}
    rated = rate(file_of[asked[0]])
    truth[rated] = truth[asked[0]]
    for name in ("qwen3_vl_32b", "qwen3_vl_8b"):  # from here on, no teacher could answer
        (tmp_path / f"{name}.jsonl").write_text("")
    said = shell(
        copy,
        "python stages/scan_library.py && python stages/annotate_photos.py && "
        "python stages/convert_annotations.py && python stages/sample_for_review.py",
    )
    assert "this run" not in said
    sampled = json.loads((copy / "data/ground_truth/to_review.json").read_text())
    assert (len(sampled), sampled[0]["asked_share"]) == (ASKED, ASKED / PHOTOS)
    assert {one["image_id"] for one in sampled} == {rated, *asked[1:]}
    checked = [
        {**one, "scene": [f"scene.{truth[one['image_id']]}"], "objects": [], "checked": True}
        for one in sampled
    ]
    (copy / "data/human").mkdir(exist_ok=True)
    (copy / "data/human/ground_truth_human.audited.json").write_text(json.dumps(checked))
    rate(file_of[asked[1]])
    said = shell(copy, f"python stages/scan_library.py && {again}")
    assert f"{ASKED} photos that people checked" in said
    assert "qwen3_vl_32b is better" in said
    rows = [line.split()[0] for line in said.splitlines() if line.startswith("qwen3") and "USD" in line]
    assert rows == ["qwen3_vl_32b", "qwen3_vl_8b"]
    assert [len(log.read_text().splitlines()) for log in logs] == [ASKED + 2, ASKED + 2]  # two were copied
