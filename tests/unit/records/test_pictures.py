from vibe_photos.records.pictures import KnownPicture, Pictures


def pictures(*lines: str) -> Pictures:
    """Each line is `id picture rendering`."""
    fields = (line.split() for line in lines)
    return Pictures(KnownPicture(image_id=i, picture=p, rendering=r[0] if r else "") for i, p, *r in fields)


def test_a_rewritten_file_is_the_same_picture():
    known = pictures("a p", "x q", "b p", "c p turned")
    assert known.find_copies("b") == ["a"]
    assert known.find_copies("c") == []
    assert known.find_copies("never seen") == []
    assert known.find_current_ids(["c", "x"]) == {"a": "c", "b": "c"}
    assert known.find_first_ids(["c", "x"]) == {"c": "a", "x": "x"}


def test_a_picture_that_is_still_there_keeps_its_own():
    known = pictures("a p", "b p", "c p")
    assert known.find_earlier_ids(["a", "b"]) == {"a": ["c"]}
    assert known.find_first_ids(["a", "b"]) == {"a": "a", "b": "b"}
    # Of two files of a picture that went, one takes its place.
    assert known.find_earlier_ids(["c", "b"]) == {"b": ["a"]}
    assert known.find_first_ids(["c", "b"]) == {"c": "c", "b": "a"}


def test_a_rewritten_file_is_as_old_as_its_picture():
    known = pictures("z p", "y q", "x r", "a q")
    assert known.sort_by_first_seen(["x", "a", "z"]) == ["z", "a", "x"]
    assert known.sort_by_first_seen(["c", "b", "x"]) == ["x", "b", "c"]


def test_an_id_that_was_hashed_in_another_way_joins_both():
    known = pictures("a old", "b old", "c new", "b new", "d new")
    assert known.find_current_ids(["d"]) == {"a": "d", "b": "d", "c": "d"}
    assert known.find_copies("d") == ["c", "b"]
    assert known.find_copies("b") == ["c", "a", "d"]
