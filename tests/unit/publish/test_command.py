"""`vibe-photos publish` before it reaches a database; with one: tests/e2e/test_apps.py."""

import pytest

from vibe_photos.cli import main
from vibe_photos.storage.postgres import URL_VARIABLE


def test_without_an_address_it_says_where_one_goes(monkeypatch, capsys):
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    assert main(["publish"]) == 1
    said = capsys.readouterr().err
    assert "postgresql://USER@HOST:PORT/DATABASE" in said
    assert URL_VARIABLE in said


@pytest.mark.parametrize("keep", ["0", "-3", "few"])
def test_the_current_version_cannot_be_dropped(keep, capsys):
    with pytest.raises(SystemExit):
        main(["publish", "postgresql://app@127.0.0.1/photos", "--keep", keep])
    assert "--keep" in capsys.readouterr().err
