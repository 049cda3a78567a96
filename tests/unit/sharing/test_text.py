"""What sharing would give away, in words."""

import pytest

from vibe_photos.errors import InputError
from vibe_photos.sharing.dvc_uploads import Remote
from vibe_photos.sharing.personal_data import PersonalData
from vibe_photos.sharing.share import DvcPush, GitPush, Group, Sharing, push_all
from vibe_photos.sharing.text import format_sharing, format_size

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
        "`git push` of main to a remote, of which there is none yet: 2 commits, 1 version of a file, 12 B",
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
