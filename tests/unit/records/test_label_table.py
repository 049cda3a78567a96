import sqlite3

import numpy as np
import pytest

from vibe_photos.errors import InputError
from vibe_photos.records.label_tables import (
    LabelTable,
    ScoreTable,
    read_decisions,
    read_labels,
    read_scores,
    write_labels,
    write_scores,
)

NAN = float("nan")
PARENTS = {
    "attr.has_text": None,
    "object.food": None,
    "object.food.dessert": "object.food",
    "scene.food": None,
    "scene.people": None,
}
LEVEL = {key: {"attr": "attribute"}.get(key.split(".")[0], key.split(".")[0]) for key in PARENTS}


def make_labels() -> LabelTable:
    return LabelTable(
        image_ids=["b", "a"],
        keys=["attr.has_text", "object.food", "object.food.dessert", "scene.food", "scene.people"],
        level=LEVEL,
        source=dict.fromkeys(PARENTS, "head"),
        threshold={**dict.fromkeys(PARENTS, 0.5), "scene.food": None, "scene.people": None},
        score=np.array([[0.9, 0.8, 0.7, 0.6, 0.4], [NAN, 0.1, 0.2, 0.3, 0.7]]),
        value=np.array([[1, 1, 1, 1, 0], [-1, 0, 0, 0, 1]], dtype=np.int8),
    )


def test_labels_come_back_sorted_with_what_is_not_judged_left_out(tmp_path):
    write_labels(tmp_path / "labels.sqlite", make_labels(), PARENTS)
    table = read_labels(tmp_path / "labels.sqlite")
    assert table.image_ids == ["a", "b"]
    assert table.keys == sorted(PARENTS)
    assert table.level == LEVEL
    assert table.source["scene.food"] == "head"
    assert table.threshold == make_labels().threshold
    np.testing.assert_array_equal(table.value, [[-1, 0, 0, 0, 1], [1, 1, 1, 1, 0]])
    np.testing.assert_array_equal(table.score, [[NAN, 0.1, 0.2, 0.3, 0.7], [0.9, 0.8, 0.7, 0.6, 0.4]])


def test_decisions_lack_only_the_scenes_that_were_not_chosen(tmp_path):
    write_labels(tmp_path / "labels.sqlite", make_labels(), PARENTS)
    table = read_decisions(tmp_path / "labels.sqlite")
    assert (table.image_ids, table.keys) == (["a", "b"], sorted(PARENTS))
    np.testing.assert_array_equal(table.value, [[-1, 0, 0, -1, 1], [1, 1, 1, 1, -1]])
    np.testing.assert_array_equal(table.score, [[NAN, 0.1, 0.2, NAN, 0.7], [0.9, 0.8, 0.7, 0.6, NAN]])


def test_any_client_reads_the_tables_and_the_view(tmp_path):
    write_labels(tmp_path / "labels.sqlite", make_labels(), PARENTS)
    connection = sqlite3.connect(tmp_path / "labels.sqlite")
    assert connection.execute("SELECT parent FROM label WHERE key = 'object.food.dessert'").fetchone() == (
        "object.food",
    )
    rows = connection.execute(
        "SELECT label_key, level, source, score, threshold, value FROM label_assignment WHERE image_id = 'a'"
        " ORDER BY label_key"
    ).fetchall()
    assert rows[0] == ("object.food", "object", "head", 0.1, 0.5, 0)
    assert rows[-1] == ("scene.people", "scene", "head", 0.7, None, 1)
    assert connection.execute("SELECT * FROM photo_labels ORDER BY image_id").fetchall() == [
        ("a", "scene.people", None, None),
        ("b", "scene.food", "attr.has_text", "object.food,object.food.dessert"),
    ]
    connection.close()


@pytest.mark.parametrize("table", ["photo_labels", "label_assignment"])
def test_one_photos_labels_are_found_without_reading_all(tmp_path, table):
    write_labels(tmp_path / "labels.sqlite", make_labels(), PARENTS)
    connection = sqlite3.connect(tmp_path / "labels.sqlite")
    plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE image_id = 'a'").fetchall()
    connection.close()
    assert any("SEARCH label_assignment USING INDEX label_assignment_by_image" in row[3] for row in plan)


def test_scores_come_back_with_gaps(tmp_path):
    table = ScoreTable(
        image_ids=["b", "a"],
        keys=["attr.has_text", "scene.food"],
        head_logit=np.array([[NAN, 1.5], [NAN, -2.0]]),
        probability=np.array([[0.25, 0.75], [NAN, 0.5]]),
        prompt_margin=np.array([[-1.0, NAN], [NAN, NAN]]),
    )
    write_scores(tmp_path / "p.sqlite", table)
    read = read_scores(tmp_path / "p.sqlite")
    assert (read.image_ids, read.keys) == (["a", "b"], ["attr.has_text", "scene.food"])
    np.testing.assert_array_equal(read.head_logit, [[NAN, -2.0], [NAN, 1.5]])
    np.testing.assert_array_equal(read.probability, [[NAN, 0.5], [0.25, 0.75]])
    np.testing.assert_array_equal(read.prompt_margin, [[NAN, NAN], [-1.0, NAN]])
    connection = sqlite3.connect(tmp_path / "p.sqlite")
    # Of a label of which neither head nor prompt speaks there is no row.
    assert connection.execute("SELECT count(*) FROM probability").fetchone() == (3,)
    connection.close()


def test_photos_that_no_label_shares_are_kept_apart(tmp_path):
    table = ScoreTable(
        image_ids=["a", "b"],
        keys=["x", "y"],
        head_logit=np.array([[1.0, NAN], [NAN, 2.0]]),
        probability=np.array([[0.1, NAN], [NAN, 0.2]]),
        prompt_margin=np.full((2, 2), NAN),
    )
    write_scores(tmp_path / "p.sqlite", table)
    np.testing.assert_array_equal(read_scores(tmp_path / "p.sqlite").probability, table.probability)


def test_nothing_judged_is_an_empty_table(tmp_path):
    nothing = np.zeros((0, 0))
    write_scores(tmp_path / "p.sqlite", ScoreTable([], [], nothing, nothing, nothing))
    assert read_scores(tmp_path / "p.sqlite").probability.shape == (0, 0)
    labels = LabelTable([], [], LEVEL, {}, {}, nothing, nothing.astype(np.int8))
    write_labels(tmp_path / "l.sqlite", labels, PARENTS)
    table = read_labels(tmp_path / "l.sqlite")
    assert (table.image_ids, table.keys, table.level) == ([], [], LEVEL)


def test_the_same_rows_in_any_order_are_the_same_bytes(tmp_path):
    one = make_labels()
    other = LabelTable(
        one.image_ids[::-1],
        one.keys[::-1],
        one.level,
        one.source,
        one.threshold,
        one.score[::-1, ::-1],
        one.value[::-1, ::-1],
    )
    write_labels(tmp_path / "one.sqlite", one, PARENTS)
    write_labels(tmp_path / "other.sqlite", other, PARENTS)
    assert (tmp_path / "one.sqlite").read_bytes() == (tmp_path / "other.sqlite").read_bytes()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["one.sqlite", "other.sqlite"]


def test_another_database_is_refused(tmp_path):
    sqlite3.connect(tmp_path / "other.sqlite").close()
    (tmp_path / "other.sqlite").touch()
    for read in (read_labels, read_scores):
        with pytest.raises(InputError, match="not a label table"):
            read(tmp_path / "other.sqlite")
        with pytest.raises(InputError, match="does not exist"):
            read(tmp_path / "none.sqlite")
