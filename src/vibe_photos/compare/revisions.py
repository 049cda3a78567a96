"""The labels of a commit, an experiment, the workspace or a file, without changing the workspace."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vibe_photos.compare.compare import LabelComparison, LabelSet, compare_labels
from vibe_photos.compare.worktree import compute_revision
from vibe_photos.configuration import RESOLVED
from vibe_photos.errors import InputError
from vibe_photos.human_truth.sample import read_measured_sample, weigh_untrained
from vibe_photos.lineage import LOCK, Lock, find_cached_object, find_commit, has_remote, read_lock
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.records.label_tables import read_labels
from vibe_photos.records.photos import read_manifest
from vibe_photos.records.splits import find_current_ids, read_splits
from vibe_photos.settings import Paths, Settings, TruthName
from vibe_photos.storage.jsonl import read_jsonl

WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True)
class Revision:
    """One side: the file of its labels, the splits used to train its heads, and its `dvc.lock`."""

    name: str
    labels: Path
    splits: Path
    lock: Lock

    def is_tuned_on_people(self) -> bool:
        """Return whether a threshold of these labels was tuned on audited photos (`classify.tuned_on`)."""
        params = self.lock.stages["classify"].params if "classify" in self.lock.stages else {}
        classify = params.get(RESOLVED.as_posix(), {}).get("classify")
        return isinstance(classify, dict) and classify.get("tuned_on", "none") != "none"


def find_revision(name: str, paths: Paths, compute: bool = False) -> Revision:
    """Find the labels and splits of `name`: `workspace`, a label file, an experiment or a commit.

    A label file does not record its training photos; the workspace's splits and lock are used.

    Args:
        name: of the revision.
        paths: of the labels and splits in a workspace.
        compute: whether to fetch or compute files that are not on this machine (`compute_revision`).

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
    missing = [str(path) for path, place in zip(wanted, found, strict=True) if place is None]
    if missing and compute:
        computed = compute_revision(name, commit, lock, wanted)
        found = [_find_file(computed, path, name) for path in wanted]
    labels, splits = found
    if labels is None or splits is None:
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
    a, b = (_read_label_set(one, find_current_ids(memberships)) for one in (before, after))
    sample = read_measured_sample(settings.paths.human, settings.taxonomy, memberships)
    human = sample.records or sample.own_set
    truth = truth or ("human" if human else "auto")
    evaluated = human if truth == "human" else weigh_untrained(_read_auto(settings), memberships).records
    return compare_labels(a, b, truth, evaluated, memberships, settings.taxonomy, settings.evaluate)


def _read_label_set(revision: Revision, current_ids: Mapping[str, str]) -> LabelSet:
    """Read one side; photos have the ids of today, though their files may have been rewritten since."""
    labels, memberships = read_labels(revision.labels), read_splits(revision.splits)
    present = {*labels.image_ids, *memberships}
    renamed = {old: new for old, new in current_ids.items() if new not in present}
    labels = replace(labels, image_ids=[renamed.get(image_id, image_id) for image_id in labels.image_ids])
    memberships = {renamed.get(image_id, image_id): one for image_id, one in memberships.items()}
    return LabelSet(revision.name, labels, memberships, revision.is_tuned_on_people())


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
