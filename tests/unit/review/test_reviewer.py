import subprocess
from pathlib import Path

import pytest

from vibe_photos.errors import ConfigurationError
from vibe_photos.review.session import check_reviewer, guess_reviewer


@pytest.fixture
def git_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a git configuration of its own, empty yet."""
    config = tmp_path / "gitconfig"
    config.touch()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("LOGNAME", "login.name")
    monkeypatch.chdir(tmp_path)
    return config


@pytest.mark.parametrize(
    ("name", "reviewer"),
    [
        ("Ada Lovelace", "ada-lovelace"),
        ("  José  Núñez ", "jose-nunez"),
        ("../../etc/passwd", "etc-passwd"),
        ("李雷", "login-name"),
        ("", "login-name"),
        ("x" * 200, "x" * 64),
    ],
)
def test_a_name_for_the_log_is_made_from_gits(git_name: Path, name: str, reviewer: str) -> None:
    subprocess.run(["git", "config", "--file", git_name, "user.name", name], check=True)
    assert guess_reviewer() == reviewer
    assert check_reviewer(reviewer) == reviewer


def test_without_git_it_is_the_login(git_name: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert guess_reviewer() == "login-name"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "-a", "a b", "ä", "a\n", "x" * 65, "a\0"])
def test_a_given_name_must_be_a_files_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match="use letters, digits"):
        check_reviewer(name)
