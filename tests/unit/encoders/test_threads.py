import os

import pytest

from vibe_photos.encoders.threads import count_threads


@pytest.mark.parametrize(("variable", "count"), [("3", 3), ("4,2", 4), ("0", None), ("x", None), ("", None)])
def test_the_variable_of_numeric_libraries_counts_where_it_is_a_number(
    monkeypatch: pytest.MonkeyPatch, variable: str, count: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    assert count_threads() == (count or os.cpu_count())
