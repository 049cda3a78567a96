"""git and DVC take decisions out of `data/human/`: they are named, and one command brings them back."""

from contextlib import closing

import pytest

from vibe_photos.configuration import read_resolved
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.records.ground_truth import Decision
from vibe_photos.records.splits import read_splits
from vibe_photos.review.decisions import DecisionLog

RESTORE = "vibe-photos restore-decisions"
LOOSE = ("-S", "classify.attribute_threshold.has_person=0.4")


class Library:
    """A checkout in which ada teaches one photo after the other; her log is in git."""

    def __init__(self, checkout):
        self.run = checkout.run
        self.commit = checkout.commit
        self.settings = read_resolved(checkout.root)
        self.human = checkout.root / "data" / "human"
        self.log = self.human / "decisions" / "ada.jsonl"
        self.store = checkout.root / ".store"
        memberships = read_splits(checkout.root / self.settings.paths.splits)
        self.may_teach = iter(sorted(i for i, one in memberships.items() if one.role == "train"))
        self.recorded = []

    def decide(self, count=1):
        """Record decisions as the review page does, until each is acknowledged."""
        with closing(DecisionLog(self.human, "ada", self.settings.taxonomy, self.store)) as log:
            for _ in range(count):
                image_id = next(self.may_teach)
                line = Decision(
                    image_id=image_id, decided_at="", purpose="teach", after={"scene": ["scene.food"]}
                )
                assert log.record([line], [None]) == []
                self.recorded.append(image_id)

    def git(self, *arguments):
        self.run("git", *arguments)

    def missing(self):
        """Return how many decisions the files lack, each of which a command must then name."""
        there = read_human_truth(self.human, {}).taught.keys()
        assert there <= set(self.recorded)
        missing = len(self.recorded) - len(there)
        said = self.run("vibe-photos", "review", "--status").stdout
        named = f"{missing} decisions of ada are in this machine's store and not in data/human/decisions"
        assert (said.count(named), said.count(RESTORE)) == ((1, 1) if missing else (0, 0))
        return missing

    def restore(self):
        said = self.run(*RESTORE.split()).stdout
        assert "decisions of ada" in said
        assert self.missing() == 0


@pytest.fixture
def library(checkout):
    library = Library(checkout)
    library.decide()
    library.commit("first hour")
    assert library.missing() == 0
    return library


def test_git_checkout_stash_and_rebase(library):
    library.decide(2)
    library.git("checkout", "--force", "HEAD")
    assert library.missing() == 2
    library.restore()

    library.git("stash")
    assert library.missing() == 2
    library.git("stash", "pop")
    assert library.missing() == 0
    library.git("stash")
    library.restore()
    library.commit("second hour")
    library.git("branch", "whole")

    # To go back is legitimate: it is said, and work goes on there.
    library.git("checkout", "-b", "other", "HEAD~1")
    library.decide()
    assert library.missing() == 2
    library.commit("third hour, elsewhere")
    library.git("rebase", "whole")
    assert library.missing() == 0
    library.git("-c", "sequence.editor=sed -i s/^pick/drop/", "rebase", "--interactive", "HEAD~1")
    assert library.missing() == 1
    library.restore()


def test_dvc_exp_apply(library):
    library.run("dvc", "exp", "run", "--name", "loose", *LOOSE, "scan")
    library.git("checkout", "--", "params.yaml", "data/config", "dvc.lock")
    library.decide(2)
    library.run("dvc", "exp", "apply", "loose")
    assert library.missing() == 2
    # The first stage of any repro says so too.
    said = library.run("dvc", "repro", "scan").stdout
    assert said.count("2 decisions of ada are in this machine's store and not in data/human") == 1
    library.restore()


def test_an_experiment_in_a_copy_says_that_it_lacks_a_log_that_is_not_in_git(library):
    library.git("rm", "--cached", "--quiet", str(library.log))
    library.git("commit", "--quiet", "--message", "no log")
    library.run("dvc", "exp", "run", "--queue", "--name", "late", *LOOSE, "scan")
    library.run("dvc", "exp", "run", "--run-all")
    in_copy = library.run("dvc", "exp", "run", "--temp", *LOOSE, "scan").stdout
    for said in (in_copy, library.run("dvc", "queue", "logs", "late").stdout):
        assert said.count("1 decisions of ada are in this machine's store and not in data/human") == 1
        assert "a copy of the files that git tracks, so its figures lack them" in said
        assert "git add data/human, then run the experiment again" in said
        assert RESTORE not in said
    assert library.missing() == 0  # in the workspace nothing is
    library.git("add", "data/human")
    assert "decisions of ada" not in library.run("dvc", "exp", "run", "--temp", *LOOSE, "scan").stdout
