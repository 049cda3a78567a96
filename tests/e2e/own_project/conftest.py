"""A clone of the tree at hand, photos, the teacher's answers about them, and a project made of all three."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.conftest import Checkout, clone_tree_at_hand


@dataclass(frozen=True)
class Started:
    """A project, what `vibe-photos new` said, and where it came from."""

    project: Checkout
    said: str
    clone: Checkout
    photos: Path
    answers: Path

    @property
    def next_commands(self) -> list[str]:
        return [line.strip() for line in self.said.split("Next:\n")[1].splitlines()]

    def copy_to(self, folder: Path) -> "Started":
        """Copy the project and the clone that it takes versions from."""
        for checkout in (self.project, self.clone):
            shutil.copytree(checkout.root, folder / checkout.root.name, symlinks=True)
        project, clone = (Checkout(folder / checkout.root.name) for checkout in (self.project, self.clone))
        project.run("git", "remote", "set-url", "upstream", str(clone.root))
        return Started(project, self.said, clone, self.photos, self.answers)


@pytest.fixture(scope="session")
def home(repository, build_once) -> Path:
    """A folder with `clone`, `photos` (47 files) and `answers.jsonl`, as the older scripts wrote it."""

    def fill(folder):
        clone = clone_tree_at_hand(repository, folder / "clone")
        configuration = clone.root / "conf" / "config.yaml"
        configuration.write_text(re.sub(r"l2: \[.*?\]", "l2: [0.001]", configuration.read_text()))
        clone.commit("one penalty, to be quick")
        shutil.copytree(repository / "data/demo/photos/2018", folder / "photos")
        recorded = (repository / "data/demo/teacher_answers.simulated.jsonl").read_text().splitlines()
        answers = [json.loads(line) for line in recorded]
        (folder / "answers.jsonl").write_text(
            "".join(
                json.dumps({"image_id": answer["image_id"], "annotation": answer["annotation"]}) + "\n"
                for answer in answers
                if answer["rel_path"].startswith("2018/")
            )
        )

    return build_once("own_project_home", fill)


@pytest.fixture(scope="session")
def started(home, build_once) -> Started:
    """A new project, as it is made; tests only read it."""

    def fill(folder):
        (folder / "said").write_text(
            Checkout(home / "clone")
            .run(
                *("vibe-photos", "new", str(folder / "project"), "--photos", str(home / "photos")),
                *("--annotations", str(home / "answers.jsonl"), "--embedder", "hog"),
            )
            .stdout
        )

    folder = build_once("own_project", fill)
    project, clone = Checkout(folder / "project"), Checkout(home / "clone")
    return Started(project, (folder / "said").read_text(), clone, home / "photos", home / "answers.jsonl")


@pytest.fixture
def fresh(started, tmp_path) -> Started:
    """A copy of the project as it is made, which a test may change."""
    return started.copy_to(tmp_path)
