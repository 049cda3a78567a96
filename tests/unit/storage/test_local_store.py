from pathlib import Path

from vibe_photos.storage.local_store import find_store


def test_the_store_is_where_the_variable_says_else_in_the_main_checkout(monkeypatch):
    monkeypatch.delenv("VIBE_PHOTOS_STORE", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert find_store() == Path(".store")
    monkeypatch.setenv("DVC_ROOT", "/main/checkout")
    assert find_store() == Path("/main/checkout/.store")
    monkeypatch.setenv("VIBE_PHOTOS_STORE", "/big/disk")
    assert find_store() == Path("/big/disk")
