import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibe_photos.errors import InputError
from vibe_photos.storage.jsonl import read_jsonl, read_numbered_lines, write_jsonl


class Row(msgspec.Struct, frozen=True):
    name: str
    count: int = 0


@given(st.lists(st.builds(Row, st.text(), st.integers(-(2**60), 2**60))))
def test_what_was_written_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("jsonl") / "rows.jsonl"
    write_jsonl(path, rows)
    assert list(read_jsonl(path, Row)) == rows


def test_blank_lines_are_passed_over_and_numbers_are_those_of_the_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"name":"a"}\n\n{"name":"b"}\n')
    assert [number for number, _ in read_numbered_lines(path)] == [1, 3]
    assert list(read_jsonl(path, Row)) == [Row("a"), Row("b")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"name":"a"}\n{"name":', r"line 2: .*cut off"),
        ('{"count":1}\n', r"line 1: .*name"),
        ('{"name":"a","count":"1"}\n', r"line 1: .*int"),
        ("not json\n", "line 1"),
        (b"\xff\xfe\n", "line 1"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, message):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        list(read_jsonl(path, Row))


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        list(read_jsonl(tmp_path / "rows.jsonl", Row))
