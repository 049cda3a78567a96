import numpy as np
import pytest

from vibe_photos.errors import InputError
from vibe_photos.human_truth.rounds import (
    Candidates,
    Round,
    build_round,
    draw_round,
    priority,
    read_rounds,
    write_round,
)

IDS = [f"p{n:03}" for n in range(60)]
LIBRARY = Candidates(IDS, ["scene.food", "scene.people"] * 30, np.where(np.arange(60) < 10, 4.0, 0.5))


def draw(size: int, number: int = 1, audited: set[str] = frozenset(), library: Candidates = LIBRARY) -> Round:
    head, order = draw_round(library, number, 7, size, audited)
    return build_round(head, order, library, {image_id: ["why"] for image_id in library.image_ids})


def ask(drawn: Round) -> list[str]:
    return [photo.image_id for photo in drawn.asked]


def test_photos_are_asked_about_by_priority_over_size_measure() -> None:
    ratio = {i: priority(7, 1, i) / m for i, m in zip(IDS, LIBRARY.size_measures, strict=True)}
    by_ratio = sorted(IDS, key=ratio.__getitem__)
    drawn = draw(12)
    assert ask(drawn) == by_ratio[:12]
    assert drawn.ratio(5) == ratio[by_ratio[5]]
    assert drawn.ratio(12) == drawn.head.next_ratio == ratio[by_ratio[12]]


def test_audited_photos_take_part_without_making_work() -> None:
    plain = ask(draw(12))
    drawn = draw(12, audited={plain[0], plain[3], "elsewhere"})
    assert ask(drawn)[:12] == plain
    assert len(drawn.asked) == 14


def test_a_library_smaller_than_the_round_is_asked_about_whole() -> None:
    drawn = draw(100)
    assert sorted(ask(drawn)) == IDS
    assert drawn.head.next_ratio is None
    assert drawn.ratio(60) == float("inf")


def test_rounds_are_drawn_apart_from_one_another() -> None:
    assert ask(draw(12, number=1)) != ask(draw(12, number=2))


def test_the_file_knows_every_photo_of_that_day_and_none_that_came_later(tmp_path) -> None:
    write_round(tmp_path, draw(12, number=2))
    write_round(tmp_path, draw(5, number=1))
    first, second = read_rounds(tmp_path)
    assert (first.head.number, second.head.number) == (1, 2)
    assert second == draw(12, number=2)
    known = dict(zip(IDS, zip(LIBRARY.strata, LIBRARY.size_measures.tolist(), strict=True), strict=True))
    assert first.find([*IDS, "new"]) == known
    assert first.count_strata() == {"scene.food": 30, "scene.people": 30}


def test_the_same_draw_gives_the_same_bytes_and_few_of_them(tmp_path) -> None:
    ids = [f"{n:032x}" for n in range(20_000)]
    library = Candidates(ids, ["scene.food"] * len(ids), np.ones(len(ids)))
    path = write_round(tmp_path / "a", draw(10, library=library))
    again = write_round(tmp_path / "b", draw(10, library=library))
    assert path.read_bytes() == again.read_bytes()
    # 4 bytes a photo in base64 are 16/3, and ten lines of about 120 bytes.
    assert 16 / 3 * 20_000 < path.stat().st_size < 16 / 3 * 20_000 + 2_000


@pytest.mark.parametrize("name", ["2.jsonl", "1.jsonl"])
def test_a_damaged_or_renamed_file_says_how_to_get_it_back(tmp_path, name) -> None:
    path = write_round(tmp_path, draw(3))
    lines = path.read_text().splitlines(keepends=True)
    path.unlink()
    path.with_name(name).write_text("".join(lines if name == "2.jsonl" else lines[1:]))
    with pytest.raises(InputError, match=rf"{name} is not one whole round of review; `git checkout"):
        read_rounds(tmp_path)


def test_no_folder_is_no_round(tmp_path) -> None:
    assert read_rounds(tmp_path) == []
