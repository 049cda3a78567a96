from pathlib import Path

import pytest
from tests.unit.reviewed_library import IDS, audit, write_reviewed_library

from vibe_photos.errors import InputError
from vibe_photos.human_truth.rounds import read_rounds
from vibe_photos.review.next_round import AT_RANDOM, refresh_round
from vibe_photos.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, repository: Path) -> Settings:
    return write_reviewed_library(tmp_path, repository)


def test_a_round_asks_first_about_what_is_in_doubt_and_says_why(settings: Settings) -> None:
    said = refresh_round(settings, 10)
    assert said.startswith("round 1: 10 of 60 photos to look at\n")
    assert said.endswith("commit it with what you audit. `vibe-photos review` opens the queue.")
    (drawn,) = read_rounds(settings.paths.human)
    reasons = {photo.image_id: photo.reasons for photo in drawn.asked}
    # p00 and p59 are each worth more than seven others: here both are among the first ten.
    assert reasons["p59"] == ["the teacher says people, the student food"]
    assert "the student is confident of people: the teacher may have erred" in reasons["p00"]
    assert [AT_RANDOM] in reasons.values()
    assert {photo.stratum for photo in drawn.asked} == {"scene.food", "scene.people"}


def test_audited_photos_make_no_work_and_do_not_change_what_a_look_is_worth(settings: Settings) -> None:
    refresh_round(settings, 10)
    audit(settings, IDS[:30])
    assert refresh_round(settings, 10).startswith("round 2: 10 of 60 photos to look at\n")
    first, second = read_rounds(settings.paths.human)
    assert first.levels == second.levels
    assert len([photo for photo in second.asked if photo.image_id not in IDS[:30]]) == 10


def test_the_same_state_gives_the_same_bytes(settings: Settings) -> None:
    refresh_round(settings, 10)
    path = settings.paths.human / "rounds" / "1.jsonl"
    before = path.read_bytes()
    path.unlink()
    refresh_round(settings, 10)
    assert path.read_bytes() == before


def test_nothing_left_and_nothing_wanted_are_said(settings: Settings) -> None:
    with pytest.raises(InputError, match="--size is 0: a round asks about one photo at least"):
        refresh_round(settings, 0)
    audit(settings, IDS)
    with pytest.raises(InputError, match=r"all 60 photos .* are audited: nothing is left"):
        refresh_round(settings, 5)
    assert read_rounds(settings.paths.human) == []
