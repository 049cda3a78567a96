"""Two people do both kinds of work while servers die and git replaces files: nothing is lost unnoticed."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.e2e.review.audit_page import AuditPage
from tests.unit.review.review_library import read_settings, write_doubts, write_review_library
from tests.unit.review.running_review import RunningReview

from vibe_photos.human_truth.backup import find_lost
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.records.ground_truth import Decision
from vibe_photos.storage.jsonl import read_jsonl

NAMES = [f"IMG_{number:04}.JPG" for number in range(24)]
SAMPLED = 12
SCENES = {"3": "scene.people", "4": "scene.food", "8": "scene.animals", "9": "scene.other"}
COMMAND = "import sys; from vibe_photos.cli import main; sys.exit(main())"


@pytest.fixture
def folder(tmp_path: Path, repository: Path) -> Path:
    """A library of 24 photos in git: twelve measure, twelve may teach; branch `before` has nobody's work."""
    folder = tmp_path / "library"
    write_review_library(folder, repository, NAMES, SAMPLED)
    write_doubts(read_settings(folder))
    (folder / ".gitignore").write_text("/stderr.txt\n/.store/\n")
    (folder / "params.yaml").write_text("size: 1\n")
    (folder / "dvc.yaml").write_text(
        "stages: {copy: {cmd: cp params.yaml copy.yaml, params: [size], outs: [copy.yaml]}}\n"
    )
    git(folder, "init", "--initial-branch=main")
    git(folder, "config", "user.name", "Test")  # DVC commits too
    git(folder, "config", "user.email", "test@example.org")
    dvc(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--message=begin")
    git(folder, "branch", "before")
    return folder


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def dvc(folder: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, check=True, capture_output=True)


def call(folder: Path, *arguments: str) -> tuple[str, str]:
    """Run a command of vibe-photos; return what it printed and what it warned of."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout, done.stderr


@dataclass
class Person:
    """A reviewer with a page open; `acknowledged` is all that the page said is recorded.

    It holds purpose, photo and the scene chosen, or the reason of a skip.
    """

    name: str
    folder: Path
    open_audit: Callable[[str], AuditPage]
    acknowledged: list[tuple[str, str, str]] = field(default_factory=list)

    def sit_down(self) -> None:
        """Start a server and open its page."""
        self.review = RunningReview(self.folder, "--reviewer", self.name)
        self.turn_to("measure")

    def turn_to(self, queue: str) -> None:
        """Open one of the two queues."""
        self.queue = queue
        self.audit = self.open_audit(f"{self.review.address}?list={queue}")

    def decide(self, *keys: str) -> None:
        """Choose the scene of one photo after the other."""
        for key in keys:
            image_id = self.audit.image_id
            self.audit.press(key)
            self.audit.go_on("Enter")
            self.acknowledged.append((self.queue, image_id, SCENES[key]))

    def skip(self, key: str, reason: str) -> None:
        image_id = self.audit.image_id
        self.audit.skip(key)
        self.acknowledged.append((self.queue, image_id, reason))


@pytest.fixture
def people(folder: Path, open_audit: Callable[[str], AuditPage]) -> Iterator[tuple[Person, Person]]:
    ada, bob = (Person(name, folder, open_audit) for name in ("ada", "bob"))
    yield ada, bob
    for person in (ada, bob):
        if hasattr(person, "review"):
            person.review.kill()


def read_logs(folder: Path) -> dict[str, list[tuple[str, str, str]]]:
    """Return what the files in `data/human/` hold, by reviewer, in the order of the lines."""
    logs = sorted((folder / "data/human/decisions").glob("*.jsonl"))
    return {log.stem: [show(line) for line in read_jsonl(log, Decision)] for log in logs}


def show(line: Decision) -> tuple[str, str, str]:
    return line.purpose, line.image_id, line.reason if line.kind == "skip" else line.after["scene"][0]


def read_lost(folder: Path) -> dict[str, list[tuple[str, str, str]]]:
    """Return what the store knows and the files lack, by reviewer."""
    found = find_lost(folder / "data/human", folder / ".store", Path("no splits.json"))
    return {reviewer: [show(line) for line in lines] for reviewer, lines in found.items()}


def test_every_acknowledged_decision_is_there_or_named_and_comes_back(
    folder: Path, people: tuple[Person, Person]
) -> None:
    ada, bob = people
    draw = folder / "data/human/draws/1.json"
    ada.sit_down()
    bob.sit_down()
    ada.decide("3", "9")
    recorded = draw.read_bytes()
    ada.skip("2", "private")
    bob.turn_to("teach")
    bob.decide("4", "8")
    # Both do the other kind as well; who measures after ada goes on where she is.
    ada.turn_to("teach")
    ada.decide("9")
    bob.turn_to("measure")
    bob.decide("3")
    assert len({image_id for _, image_id, _ in ada.acknowledged + bob.acknowledged}) == 7

    # The server dies without a word; what it had acknowledged is in the file, and the work goes on.
    ada.review.kill()
    ada.sit_down()
    ada.decide("8")
    assert read_logs(folder) == {"ada": ada.acknowledged, "bob": bob.acknowledged}
    git(folder, "add", "data/human")
    git(folder, "commit", "--message=first hour")

    # git takes the files away under the open pages.
    git(folder, "checkout", "before")
    assert read_logs(folder) == {}
    assert read_lost(folder) == {"ada": ada.acknowledged, "bob": bob.acknowledged}
    ada.decide("4")
    assert draw.read_bytes() == recorded
    bob.turn_to("teach")
    bob.decide("9")
    assert read_logs(folder) == {"ada": ada.acknowledged[-1:], "bob": bob.acknowledged[-1:]}

    # Coming back by force drops what was said on the other branch: it is named, with the command.
    git(folder, "checkout", "--force", "main")
    lost = {"ada": ada.acknowledged[-1:], "bob": bob.acknowledged[-1:]}
    assert read_lost(folder) == lost
    on_disk = read_logs(folder)
    for person in people:
        assert on_disk[person.name] + lost[person.name] == person.acknowledged
    _, warned = call(folder, "review", "--status")
    for name in ("ada", "bob"):
        assert f"1 decisions of {name} are in this machine's store and not in" in warned
    assert warned.count("vibe-photos restore-decisions") == 2
    # The pages see the new files and hold them: so they end first.
    assert ada.review.get("api/session").status == 200
    with pytest.raises(subprocess.CalledProcessError) as refused:
        call(folder, "restore-decisions")
    assert "If ada's review page is open, end it with Ctrl-C" in refused.value.stderr
    assert read_lost(folder) == lost
    ada.review.interrupt()
    bob.review.kill()
    printed, _ = call(folder, "restore-decisions")
    assert "restored 1 decisions of ada\nrestored 1 decisions of bob\n" in printed
    assert read_logs(folder) == {"ada": ada.acknowledged, "bob": bob.acknowledged}
    assert read_lost(folder) == {}

    # What comes next is appended to what came back.
    ada.sit_down()
    ada.decide("3")
    bob.sit_down()
    bob.decide("4")
    assert read_logs(folder) == {"ada": ada.acknowledged, "bob": bob.acknowledged}
    assert read_lost(folder) == {}
    assert call(folder, "restore-decisions")[0] == "nothing is missing\n"

    # An experiment brings back its own `data/human/`, and with it what nobody had said by then.
    git(folder, "add", "data/human")
    git(folder, "commit", "--message=second hour")
    dvc(folder, "exp", "run", "--name=larger", "--set-param=size=2")
    ada.turn_to("teach")
    ada.decide("8")
    bob.decide("9")
    dvc(folder, "exp", "apply", "larger")
    assert read_lost(folder) == {"ada": ada.acknowledged[-1:], "bob": bob.acknowledged[-1:]}
    ada.decide("4")
    assert read_logs(folder) == {
        "ada": [*ada.acknowledged[:-2], ada.acknowledged[-1]],
        "bob": bob.acknowledged[:-1],
    }
    ada.review.interrupt()
    bob.review.kill()
    printed, _ = call(folder, "restore-decisions")
    assert "restored 1 decisions of ada\nrestored 1 decisions of bob\n" in printed
    on_disk = read_logs(folder)
    assert {name: sorted(lines) for name, lines in on_disk.items()} == {
        "ada": sorted(ada.acknowledged),
        "bob": sorted(bob.acknowledged),
    }

    truth = read_human_truth(folder / "data/human", {})
    said = ada.acknowledged + bob.acknowledged
    scenes = {
        queue: {i: scene for purpose, i, scene in said if purpose == queue and scene in SCENES.values()}
        for queue in ("measure", "teach")
    }
    assert {i: record.scene[0] for i, record in truth.measured.items()} == scenes["measure"]
    assert {i: record.scene[0] for i, record in truth.taught.items()} == scenes["teach"]
    assert list(truth.skipped.values()) == ["private"]
