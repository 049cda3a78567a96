"""A repository with two commits of dvc.lock and a cache, made with git alone."""

import hashlib
import subprocess
from pathlib import Path

import msgspec

LABELS, SPLITS = Path("data/labels/labels.sqlite"), Path("data/ground_truth/splits.json")


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout


def lock_text(labels: bytes, tuned_on: str = "none", **more: object) -> str:
    def out(path: Path, data: bytes) -> dict[str, object]:
        return {"path": str(path), "hash": "md5", "md5": hashlib.md5(data).hexdigest(), "size": len(data)}

    params = {"data/config/resolved.yaml": {"classify": {"tuned_on": tuned_on}}}
    stages = {
        "split": {"cmd": "python split.py", "outs": [out(SPLITS, b"{}")]},
        "classify": {"cmd": "python classify.py", "params": params, "outs": [out(LABELS, labels)], **more},
    }
    return msgspec.yaml.encode({"schema": "2.0", "stages": stages}).decode()


def keep_in_cache(data: bytes, folder: Path = Path(".dvc/cache")) -> Path:
    digest = hashlib.md5(data).hexdigest()
    path = folder / "files" / "md5" / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def commit_twice() -> None:
    """Make the working folder a repository: first with the labels `one`, then with `two`."""
    git("init", "-q", "-b", "main")
    for labels in (b"one", b"two"):
        Path("dvc.lock").write_text(lock_text(labels))
        git("add", "dvc.lock")
        git("commit", "-q", "-m", labels.decode())
