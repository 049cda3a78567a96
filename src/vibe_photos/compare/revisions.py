"""The labels of a commit, an experiment, the workspace or a file, without changing the workspace.

Files of a commit that are not on this machine are fetched or computed in a temporary git worktree. It uses
the project's store and DVC cache, so no answer of the teacher is paid for again, and the cache keeps the
files after the worktree is removed.
"""

import hashlib
import logging
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from vibe_photos.compare.compare import LabelComparison, LabelSet, compare_labels
from vibe_photos.configuration import RESOLVED
from vibe_photos.errors import InputError
from vibe_photos.human_truth.sample import read_measured_sample, weigh_untrained
from vibe_photos.lineage import (
    DVC_FOLDER,
    LOCK,
    Lock,
    find_cached_object,
    find_commit,
    has_remote,
    read_dvc_config,
    read_lock,
    run_git,
)
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.records.label_tables import LabelTable, read_labels
from vibe_photos.records.photos import read_manifest
from vibe_photos.records.splits import find_current_ids, read_splits
from vibe_photos.records.taxonomy import KeyHistory
from vibe_photos.settings import Paths, Settings, Taxonomy, TruthName
from vibe_photos.storage.jsonl import read_jsonl
from vibe_photos.storage.local_store import find_store

log = logging.getLogger(__name__)

WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True)
class Revision:
    """One side: the file of its labels, the splits used to train its heads, and its `dvc.lock`."""

    name: str
    labels: Path
    splits: Path
    lock: Lock

    def is_tuned_on_people(self) -> bool:
        """Return whether a threshold of these labels was tuned on measured photos (`classify.tuned_on`)."""
        params = self.lock.stages["classify"].params if "classify" in self.lock.stages else {}
        classify = params.get(RESOLVED.as_posix(), {}).get("classify")
        return isinstance(classify, dict) and classify.get("tuned_on", "none") != "none"


def find_revision(name: str, paths: Paths, compute: bool = False) -> Revision:
    """Find the labels and splits of `name`: `workspace`, a label file, an experiment or a commit.

    A label file does not record its training photos; the workspace's splits and lock are used. `compute`:
    whether to fetch or compute files that are not on this machine.

    Raises:
        InputError: there is no such revision, its files are not on this machine, or computing them failed.
    """
    if name == WORKSPACE or Path(name).is_file():
        file = paths.labels if name == WORKSPACE else Path(name)
        return Revision(name, file, paths.splits, read_lock() if LOCK.is_file() else Lock())
    commit = find_commit(name)
    lock = read_lock(commit)
    wanted = [paths.labels, paths.splits]
    found = [_find_file(lock, path, name) for path in wanted]
    if None in found and compute:
        computed = _compute_files(name, commit, lock, wanted)
        found = [_find_file(computed, path, name) for path in wanted]
    labels, splits = found
    if labels is None or splits is None:
        missing = [str(path) for path, place in zip(wanted, found, strict=True) if place is None]
        raise InputError(_describe_missing(name, missing))
    return Revision(name, labels, splits, lock)


def compare_revisions(
    before: Revision, after: Revision, truth: TruthName | None, settings: Settings
) -> LabelComparison:
    """Compare the labels of two revisions on the workspace's truth and taxonomy.

    `truth` None uses human labels if there are any (the measured sample, else a set that people chose), else
    the teacher's on photos that were not used for training.

    Raises:
        InputError: a file of a revision or of the truth is missing or malformed.
    """
    memberships = read_splits(settings.paths.splits)
    current_ids = find_current_ids(memberships)
    a, b = (_read_label_set(one, current_ids, settings.taxonomy) for one in (before, after))
    sample = read_measured_sample(settings.paths.human, settings.taxonomy, memberships)
    human = sample.records or sample.own_set
    truth = truth or ("human" if human else "auto")
    evaluated = human if truth == "human" else weigh_untrained(_read_auto(settings), memberships).records
    return compare_labels(a, b, truth, evaluated, memberships, settings.taxonomy, settings.evaluate)


def _read_label_set(revision: Revision, current_ids: Mapping[str, str], taxonomy: Taxonomy) -> LabelSet:
    """Read one side with today's label keys and photo ids: both may have changed since it was made."""
    labels = _follow_keys(read_labels(revision.labels), taxonomy)
    memberships = read_splits(revision.splits)
    present = {*labels.image_ids, *memberships}
    renamed = {old: new for old, new in current_ids.items() if new not in present}
    labels = replace(labels, image_ids=[renamed.get(image_id, image_id) for image_id in labels.image_ids])
    memberships = {renamed.get(image_id, image_id): one for image_id, one in memberships.items()}
    return LabelSet(revision.name, labels, memberships, revision.is_tuned_on_people())


def _follow_keys(table: LabelTable, taxonomy: Taxonomy) -> LabelTable:
    """Return a table with today's keys; of several that became one, each photo has the best label."""
    history, places = KeyHistory(taxonomy), defaultdict(list)
    for place, key in enumerate(table.keys):
        if now := history.follow(key, table.level[key])[0]:
            places[now].append(place)
    if list(places) == table.keys:
        return table
    first = {now: table.keys[columns[0]] for now, columns in places.items()}
    return LabelTable(
        image_ids=table.image_ids,
        keys=list(places),
        level={now: table.level[old] for now, old in first.items()},
        source={now: table.source[old] for now, old in first.items()},
        threshold={now: table.threshold[old] for now, old in first.items()},
        score=_take_best(table.score, places),
        value=_take_best(table.value, places),
    )


def _take_best(values: NDArray[Any], places: Mapping[str, list[int]]) -> NDArray[Any]:
    best = [np.fmax.reduce(values[:, columns], axis=1) for columns in places.values()]
    return np.stack(best, axis=1) if best else values[:, :0]


def name_photos(settings: Settings) -> dict[str, str]:
    """Return each photo's path under the library's root by its id; empty without a manifest."""
    photos = settings.paths.photos
    return {photo.image_id: photo.rel_path for photo in read_manifest(photos)} if photos.is_file() else {}


def _read_auto(settings: Settings) -> list[GroundTruth]:
    path = settings.paths.auto / ALL_LABELS
    if not path.is_file():
        raise InputError(f"{path} does not exist; `dvc repro convert` makes it")
    return list(read_jsonl(path, GroundTruth))


def _find_file(lock: Lock, path: Path, name: str) -> Path | None:
    """Return this machine's copy of a lock's file: in DVC's cache, or unchanged in the workspace."""
    found = lock.find_out(path)
    if found is None:
        raise InputError(f"{name} has no {path}: no stage of its {LOCK} writes that file")
    cached = find_cached_object(found[1])
    if cached.is_file():
        return cached
    if path.is_file():
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        return path if md5 == found[1] else None
    return None


def _describe_missing(name: str, missing: list[str]) -> str:
    are = "are" if len(missing) > 1 else "is"
    fetch = f"Get what somebody pushed with: dvc fetch --all-commits {' '.join(missing)}. Or repeat"
    return (
        f"{' and '.join(missing)} of {name} {are} not on this machine. {fetch if has_remote() else 'Repeat'} "
        f"this command with --compute: it checks {name} out in a temporary folder and runs dvc repro there"
    )


def _compute_files(name: str, commit: str, lock: Lock, wanted: list[Path]) -> Lock:
    """Fetch or compute the `wanted` outs of a commit; return the `dvc.lock` that names them in DVC's cache.

    The commit's code and configuration run. If its list of photos is not in the cache, the current library is
    scanned instead, and the labels may differ from those that were committed.
    """
    stages = sorted({found[0] for path in wanted if (found := lock.find_out(path))})
    with _open_worktree(commit) as tree:
        log.info("computing the labels of %s in a temporary worktree: dvc repro %s", name, " ".join(stages))
        if has_remote():
            _run_dvc(tree, "fetch", *map(str, wanted))
            if all(found and find_cached_object(found[1]).is_file() for found in map(lock.find_out, wanted)):
                return lock
        # Take inputs from the cache or the remote if they are there, and freeze stages that would always run,
        # so that the list of photos is the commit's.
        _run_dvc(tree, "pull" if has_remote() else "checkout", "--with-deps", "--allow-missing", *stages)
        always = [
            n for n, one in _read_yaml(tree / "dvc.yaml")["stages"].items() if one.get("always_changed")
        ]
        present = [
            stage
            for stage in always
            if stage in lock.stages and all((tree / out.path).exists() for out in lock.stages[stage].outs)
        ]
        if present and _run_dvc(tree, "freeze", *present):
            raise InputError(f"dvc freeze failed in a worktree of {name}: see its messages above")
        if _run_dvc(tree, "repro", *stages):
            raise InputError(
                f"the labels of {name} could not be computed: see the messages of dvc repro above. "
                "The workspace was not changed"
            )
        return msgspec.yaml.decode((tree / LOCK).read_bytes(), type=Lock)


@contextmanager
def _open_worktree(commit: str) -> Iterator[Path]:
    """Yield a commit's project in a temporary folder that uses this project's cache and photos."""
    prefix = run_git("rev-parse", "--show-prefix").strip()
    with TemporaryDirectory(prefix="vibe-photos-") as folder:
        root = Path(folder).resolve() / "worktree"
        # Without hooks: those of `dvc install` would check out data.
        no_hooks = ("-c", f"core.hooksPath={os.devnull}")
        run_git(*no_hooks, "worktree", "add", "--quiet", "--detach", str(root), commit)
        try:
            tree = root / prefix
            _share_cache(tree)
            _share_photos(tree)
            yield tree
        finally:
            run_git("worktree", "remove", "--force", str(root))


def _share_cache(tree: Path) -> None:
    """Give the worktree this project's cache and remotes; their relative paths are made absolute."""
    config = read_dvc_config()
    if not config.has_section("cache"):
        config.add_section("cache")
    config["cache"].setdefault("dir", "cache")
    for section in config.values():
        for key in {"dir", "url"} & section.keys():
            if "://" not in section[key]:
                section[key] = str((DVC_FOLDER / section[key]).resolve())
    with (tree / DVC_FOLDER / "config.local").open("w") as file:
        config.write(file)


def _share_photos(tree: Path) -> None:
    """Link the library into the worktree if it is inside the project but not in git."""
    if (tree / RESOLVED).is_file():
        root = Path(_read_yaml(tree / RESOLVED)["library"]["root"])
        if not root.is_absolute() and root.exists() and not (tree / root).exists():
            (tree / root).parent.mkdir(parents=True, exist_ok=True)
            (tree / root).symlink_to(root.resolve())


def _read_yaml(path: Path) -> dict[str, Any]:
    return dict(msgspec.yaml.decode(path.read_bytes()))


def _run_dvc(tree: Path, *arguments: str) -> int:
    """Run DVC in a worktree, with its code, this Python and this project's store; return the exit status."""
    paths = {
        "PATH": [str(Path(sys.executable).parent), os.environ.get("PATH", "")],
        "PYTHONPATH": [str(tree / "src"), os.environ.get("PYTHONPATH", "")],
    }
    environment = {name: os.pathsep.join(filter(None, parts)) for name, parts in paths.items()}
    environment["VIBE_PHOTOS_STORE"] = str(find_store().resolve())
    command = [sys.executable, "-m", "dvc", *arguments]
    # To stderr: stdout may be the command's JSON.
    return subprocess.run(command, cwd=tree, env=os.environ | environment, stdout=2, check=False).returncode
