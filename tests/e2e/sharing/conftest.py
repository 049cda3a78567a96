"""A project whose photos lie outside git, pushed to a folder: what colleagues and others start from."""

import hashlib
import re
import shutil
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Project:
    """A clone beside a folder `photos`, which only its owner has."""

    checkout: object

    def __getattr__(self, name):
        return getattr(self.checkout, name)

    def share(self, *arguments):
        return self.run("vibe-photos", "share", *arguments).stdout

    def shell(self, command, **options):
        """Run a line of the documentation as it stands there."""
        return self.run("bash", "-euo", "pipefail", "-c", command, **options).stdout

    def clone_to(self, folder):
        """Clone into `folder/project`, beside which there are no photos."""
        folder.mkdir(parents=True, exist_ok=True)
        self.run("git", "clone", "--quiet", str(self.root), str(folder / "project"))
        clone = Project(type(self.checkout)(folder / "project"))
        clone.run("git", "config", "user.email", "colleague@example.org")
        clone.run("git", "config", "user.name", "Colleague")
        return clone

    def cached_bytes(self):
        """How much DVC has fetched or made here."""
        cache = self.root / ".dvc" / "cache" / "files"
        return sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())

    def md5(self, path):
        """The hash of a file that DVC keeps, by itself or in a folder."""
        return hashlib.md5(self.bytes(path)).hexdigest()

    def has_cached(self, md5):
        """Whether the cache here holds a content."""
        return (self.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).exists()


@pytest.fixture(scope="session")
def documented(repository):
    """A function that returns the commands under a heading of docs/SHARING.md, as they stand there."""
    text = (repository / "docs" / "SHARING.md").read_text()

    def commands(heading):
        section = re.split(r"\n#+ ", text.split(f"# {heading}\n", 1)[1])[0]
        blocks = re.findall(r"```(console|bash)\n(.*?)```", section, flags=re.DOTALL)
        lines = [
            line.removeprefix("$ ")
            for form, block in blocks
            for line in block.replace("\\\n", "").splitlines()
            if line.startswith("$ ") or (form == "bash" and line.strip())
        ]
        return [re.split(r"\s+# ", line)[0] for line in lines]

    return commands


@pytest.fixture(scope="session")
def pushed(baseline, build_once):
    """The owner's project after a push to a folder; tests only read it."""
    new = type(baseline)

    def fill(home):
        shutil.copytree(baseline.root, home / "owner" / "project", symlinks=True)
        owner = new(home / "owner" / "project")
        shutil.move(owner.root / "data/demo/photos", home / "owner" / "photos")
        owner.replace("params.yaml", "root: data/demo/photos", "root: ../photos")
        owner.run("git", "remote", "remove", "origin")
        owner.repro()
        owner.run("dvc", "remote", "add", "--default", "shared", str(home / "remote"))
        owner.commit("my own library")
        owner.run("dvc", "push")

    return Project(new(build_once("pushed", fill) / "owner" / "project"))


@pytest.fixture
def owner(pushed, tmp_path):
    """A copy of the owner's project that a test may change; its remote too is a copy, and git has one."""
    shutil.copytree(pushed.root.parents[1], tmp_path, symlinks=True, dirs_exist_ok=True)
    owner = Project(type(pushed.checkout)(tmp_path / "owner" / "project"))
    owner.run("dvc", "remote", "modify", "shared", "url", str(tmp_path / "remote"))
    owner.run("git", "init", "--quiet", "--bare", str(tmp_path / "git"))
    owner.run("git", "remote", "add", "origin", str(tmp_path / "git"))
    owner.commit("remotes")
    owner.run("git", "push", "--quiet", "--set-upstream", "origin", "HEAD")
    return owner


@pytest.fixture
def colleague(pushed, tmp_path):
    """A clone without photos and with nothing fetched."""
    return pushed.clone_to(tmp_path / "colleague")
