import json

import pytest

from vibe_photos.errors import InputError
from vibe_photos.human_truth.draws import (
    Draw,
    find_strata,
    find_uniformly_drawn,
    grow_draw,
    make_stratum,
    read_draws,
    write_draw,
)

IDS = [f"photo-{number}" for number in range(300)]


def test_a_draw_reads_back_and_knows_its_photos(tmp_path):
    strata = {"scene.food": make_stratum(IDS[:100]), "none": make_stratum(IDS[100:120])}
    write_draw(tmp_path, Draw(number=1, how="stratified", seed=42, teacher="demo", strata=strata))
    (draw,) = read_draws(tmp_path)
    found = find_strata([draw], IDS, {})
    assert found == dict.fromkeys(IDS[:100], "scene.food") | dict.fromkeys(IDS[100:120], "none")
    assert draw.strata["scene.food"].photos == 100


def test_a_photo_stays_in_the_stratum_of_its_first_draw(tmp_path):
    for number, ids in ((2, IDS[:20]), (1, IDS[:10])):
        strata = {"scene.food": make_stratum(ids)}
        write_draw(tmp_path, Draw(number=number, how="stratified", seed=42, strata=strata))
    found = find_strata(read_draws(tmp_path), IDS, {})
    assert found[IDS[3]] == "scene.food"
    assert found[IDS[13]] == "scene.food (draw 2)"


def test_photos_drawn_uniformly_elsewhere_are_no_stratum_of_ours(tmp_path):
    write_draw(tmp_path, Draw(number=1, how="uniform", strata={"imported": make_stratum(IDS[:5])}))
    draws = read_draws(tmp_path)
    assert find_strata(draws, IDS, {}) == {}
    assert find_uniformly_drawn(draws, IDS, {}) == set(IDS[:5])


def test_a_damaged_draw_is_named(tmp_path):
    path = write_draw(tmp_path, Draw(number=1, how="random", seed=1, strata={"all": make_stratum(IDS)}))
    path.write_text(json.dumps({"number": 1}))
    with pytest.raises(InputError, match=r"draws/1\.json"):
        read_draws(tmp_path)


def test_it_takes_little_room():
    # 5 bytes a photo, 4/3 of it in base64.
    assert len(make_stratum(IDS).members) == 5 * len(IDS)


def test_a_photo_stays_in_its_stratum_when_its_file_is_rewritten(tmp_path):
    strata = {"scene.food": make_stratum(IDS[:3])}
    write_draw(tmp_path, Draw(number=1, how="stratified", seed=42, strata=strata))
    write_draw(tmp_path, Draw(number=2, how="uniform", strata={"imported": make_stratum(IDS[3:5])}))
    draws, library = read_draws(tmp_path), ["now-0", IDS[1], "now-3"]
    current = {IDS[0]: "now-0", IDS[3]: "now-3"}
    assert find_strata(draws, library, current) == {"now-0": "scene.food", IDS[1]: "scene.food"}
    assert find_uniformly_drawn(draws, library, current) == {"now-3"}


def test_a_draw_that_grows_has_a_rewritten_photo_once_in_the_stratum_of_today():
    one = Draw(
        number=1, how="stratified", strata={"a": make_stratum(IDS[:3]), "not asked": make_stratum(IDS[3:5])}
    )
    today = Draw(
        number=1,
        how="stratified",
        strata={"b": make_stratum(["now-0", IDS[1]]), "a": make_stratum(["now-3"])},
    )
    current = {IDS[0]: "now-0", IDS[3]: "now-3"}
    grown = grow_draw(one, today, current)
    assert {name: stratum.photos for name, stratum in grown.strata.items()} == {
        "a": 2,
        "b": 2,
        "not asked": 1,
    }
    placed = find_strata([grown], ["now-0", *IDS[1:3], "now-3"], current)
    assert placed == {"now-0": "b", IDS[1]: "b", IDS[2]: "a", "now-3": "a"}
