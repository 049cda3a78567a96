"""What sharing would give away, in words."""

import msgspec
import pytest
from msgspec.structs import replace

from vibe_photos.errors import InputError
from vibe_photos.lineage import run_git
from vibe_photos.sharing import share
from vibe_photos.sharing.personal_data import PersonalData
from vibe_photos.sharing.share import DvcPush, GitPush, Group, Sharing, format_sharing, format_size, push_all
from vibe_photos.sharing.uploads import Remote

HEADS = Group("heads", 3, 180_000, ["models/a.pt", "models/b.pt", "models/c.pt"])
NAMES = PersonalData("names of files and folders", 417, ["2019/beach.jpg"], ["data/library/photos.jsonl"])


@pytest.fixture
def sharing():
    remote = Remote("nas", "/mnt/nas")
    dvc = DvcPush(remote, 3, 180_000, [HEADS], [NAMES], ["data/labels/labels.sqlite"])
    git = GitPush(None, None, "main", 2, ["Anna <anna@example.org>"], 1, 12, [], [], ["params.yaml"])
    return Sharing(dvc, git, ["git has no remote to push to"])


def test_everything_is_said(sharing):
    assert format_sharing(sharing).splitlines() == [
        "`dvc push` to nas (/mnt/nas): 3 files, 180.0 kB",
        "  heads  180.0 kB  models/a.pt, models/b.pt and 1 more",
        "  personal data in it:",
        "  - names of files and folders: 417, as 2019/beach.jpg",
        "      in data/library/photos.jsonl",
        "neither here nor on the remote: data/labels/labels.sqlite",
        "",
        "`git push` of main (no remote yet): 2 commits, 1 version of a file, 12 B",
        "  by Anna <anna@example.org>",
        "not committed, so not shared: params.yaml",
        "",
        "before sharing:",
        "- git has no remote to push to",
    ]


def test_nothing_is_pushed_while_something_speaks_against_it(sharing):
    with pytest.raises(InputError, match="nothing was shared: git has no remote"):
        push_all(sharing)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_670_592, "2.7 MB"), (3e9, "3.0 GB")],
)
def test_sizes(size_bytes, text):
    assert format_size(int(size_bytes)) == text


def test_no_secret_of_a_remote_or_of_an_old_commit_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(share, "find_dvc_remote", lambda name: None)
    monkeypatch.setattr(share, "find_dvc_uploads", lambda remote: ([], []))
    (tmp_path / ".dvc").mkdir()
    run_git("init", "--quiet", "--initial-branch", "main")
    run_git("remote", "add", "origin", "https://git.example.org/anna/photos.git?token=hunter2")
    config = tmp_path / ".dvc" / "config"
    for text in ("['remote \"a\"']\n    url = webdavs://anna:hunter2@nas.example.org/dav\n", "[core]\n"):
        config.write_text(text)
        run_git("add", ".dvc/config")
        run_git("-c", "user.name=Anna", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "x")
    plan = share.plan_sharing(None)
    assert plan.git.url == "https://git.example.org/anna/photos.git?token=***"
    (obstacle,) = [words for words in plan.obstacles if "credentials" in words]
    assert "url of 'remote \"a\"' in .dvc/config" in obstacle
    assert "hunter2" not in msgspec.json.encode(plan).decode() + format_sharing(plan)


def test_a_key_in_a_commit_is_heard_of_although_the_remote_cannot_be_reached(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    run_git("init", "--quiet", "--initial-branch", "main")
    url = "https://anna:hunter2@127.0.0.1:1/store"
    (tmp_path / ".dvc/config").write_text(f"['remote \"a\"']\n    url = {url}\n")
    run_git("add", ".dvc/config")
    run_git("-c", "user.name=Anna", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "x")

    def fail(name):
        raise InputError("the remote cannot be reached")

    monkeypatch.setattr(share, "find_dvc_remote", fail)
    with pytest.raises(InputError) as ended:
        share.plan_sharing(None)
    assert str(ended.value).startswith("the remote cannot be reached; a commit holds credentials (url of ")
    assert "hunter2" not in str(ended.value)


def test_what_git_says_while_it_pushes_shows_no_token(sharing, tmp_path, monkeypatch, capfd):
    """git itself hides a password in an address, and not a token in its query."""
    (tmp_path / "git").write_text(
        "#!/bin/sh\necho 'To https://git.example.org/x.git?token=hunter2' >&2\nexit $STATUS\n"
    )
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(share.sys, "executable", "/bin/true")
    git = replace(sharing.git, remote="origin", url="x")
    monkeypatch.setenv("STATUS", "0")
    push_all(Sharing(sharing.dvc, git, []))
    monkeypatch.setenv("STATUS", "1")
    with pytest.raises(InputError, match="`git push` failed"):
        push_all(Sharing(sharing.dvc, git, []))
    said = capfd.readouterr().err
    assert said.count("To https://git.example.org/x.git?token=***\n") == 2


def test_afterwards_the_branch_can_be_pulled(sharing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(share.sys, "executable", "/bin/true")
    for arguments in (
        ("init", "--quiet", "--initial-branch", "main"),
        ("init", "--quiet", "--bare", "--initial-branch", "main", "shared.git"),
        ("remote", "add", "origin", "shared.git"),
        ("-c", "user.name=Anna", "-c", "user.email=a@example.org", "commit", "--allow-empty", "-m", "x"),
    ):
        run_git(*arguments)
    push_all(Sharing(sharing.dvc, replace(sharing.git, remote="origin", branch="main"), []))
    assert run_git("pull").strip() == "Already up to date."


def test_a_log_that_is_not_in_git_is_said_to_stay_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(share, "find_dvc_remote", lambda name: None)
    monkeypatch.setattr(share, "find_dvc_uploads", lambda remote: ([], []))
    run_git("init", "--quiet", "--initial-branch", "main")
    author = ("-c", "user.name=Anna", "-c", "user.email=a@example.org")
    run_git(*author, "commit", "--quiet", "--allow-empty", "-m", "x")
    log = tmp_path / "data" / "human" / "decisions" / "anna.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text("{}\n")
    (tmp_path / "data" / "notes.txt").write_text("not what people said of photos\n")
    said = format_sharing(share.plan_sharing(None))
    assert "not committed, so not shared: data/human/decisions/anna.jsonl\n" in said + "\n"
