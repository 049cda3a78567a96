"""Whoever follows docs/YOUR_LIBRARY.md from the first line to the last gets there: each command is run."""

import json
import re
import shutil

import pytest
from tests.e2e.conftest import Checkout


def _read_commands(text):
    """Return the lines of all bash blocks, as they stand there."""
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def _edit(file, old, new):
    return f"sed -i 's/{old}/{new}/' {file} && grep -q '{new}' {file}"


@pytest.fixture
def stand_ins(home, tmp_path):
    """What is run instead of a command that needs a download, a server, a person or a place of one's own.

    A person checks the first ten photos of the sample and finds the teacher right.
    """
    check = (
        'python -c "import json; from pathlib import Path; records = json.loads('
        "Path('data/ground_truth/to_review.json').read_text()); Path('data/human/ground_truth_human.audited"
        ".json').write_text(json.dumps([{**record, 'checked': True} for record in records[:10]]))\""
    )
    return {
        "git clone REPOSITORY vibe-photos": f"git clone --quiet {home / 'clone'} vibe-photos",
        "make setup && . .venv/bin/activate": "true",
        "make setup": "true",
        "--photos /mnt/photos": f"--photos {tmp_path}/photos --annotations ../qwen.jsonl --embedder hog",
        "vibe-photos review": check,
        "ssh://nas/srv/my-photos.git": f"{tmp_path}/origin.git",
        "/mnt/nas/my-photos": f"{tmp_path}/nas",
        "vibe-photos share": "vibe-photos share --yes",
    }


@pytest.mark.timeout(900)
def test_every_command_of_the_page(repository, home, started, stand_ins, tmp_path):
    """No log, metric, lock, report or commit then tells of the demo."""
    text = (repository / "docs" / "YOUR_LIBRARY.md").read_text()
    shutil.copytree(home / "photos", tmp_path / "photos")
    shutil.copy(home / "answers.jsonl", tmp_path / "qwen.jsonl")
    desk = Checkout(tmp_path)
    desk.run("git", "init", "--quiet", "--bare", "origin.git")
    script, unused = ["set -x"], set(stand_ins)
    for line in _read_commands(text):
        if line == "dvc repro && dvc metrics diff" and script[-1].startswith("git add --all"):
            assert "Change `has_person: 0.5` to `has_person: 0.3` in `params.yaml`" in text
            script.append(_edit("params.yaml", "has_person: 0.5", "has_person: 0.3"))
        for command, instead in stand_ins.items():
            if command in line:
                line = line.replace(command, instead)
                unused.discard(command)
        script.append(line)
    assert not unused
    person = {
        f"GIT_{role}_{what}": f"anna@{role}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    said = desk.run("bash", "-euo", "pipefail", "-c", "\n".join(script), **person).stdout

    project = Checkout(tmp_path / "my-photos")
    parts = {part for line in _read_commands(text) for part in line.split(" && ")}
    for command in started.next_commands[1:]:  # after the one that changes the folder
        assert set(command.replace(str(started.answers), "../qwen.jsonl").split(" && ")) <= parts
    assert re.search(r"data/eval/human/metrics.json +n +0 +10 +10", said)
    assert re.search(r"(workspace|HEAD).* against HEAD", said)
    assert "FIX" not in said
    assert "has nothing newer than" in said
    assert project.paid() == json.loads(project.bytes("data/eval/annotate.json"))["answered"] == 47
    pushed = desk.run("git", "-C", "origin.git", "log", "--format=%s", "main").stdout.splitlines()
    assert pushed[:4] == ["Shared on the NAS", "People from 0.3 on", "Measured", "First labels"]
    assert any((tmp_path / "nas").rglob("*"))
    tracked = filter(None, project.run("git", "ls-files", "-z").stdout.split("\0"))
    texts = {path: project.bytes(path) for path in tracked if path.startswith(("data/", "dvc.lock"))}
    # Without its pictures, whose letters mean nothing.
    texts["report"] = re.sub(rb"base64,[\w+/=]+", b"", project.bytes("data/report/index.html"))
    texts["labels"] = project.bytes("data/labels/labels.sqlite")
    texts["log"] = said.replace(str(home.parent), "").encode()
    texts["commits"] = project.run("git", "log", "--format=%B%an").stdout.encode()
    for place, content in texts.items():
        assert b"demo" not in content.lower(), place
