"""The labels of a commit, an experiment, the workspace or a file, without checking anything out.

Two revisions of the labels, compared on the truth that is at hand.
"""

from dataclasses import dataclass
from pathlib import Path

from vibe_photos.compare.compare import LabelComparison, LabelSet, compare_labels
from vibe_photos.configuration import RESOLVED
from vibe_photos.errors import InputError
from vibe_photos.human_truth.sample import read_measured_sample, weigh_untrained
from vibe_photos.lineage import LOCK, Lock, changed_stages, find_cached_object, find_commit, read_lock
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.records.label_tables import read_labels
from vibe_photos.records.photos import read_manifest
from vibe_photos.records.splits import read_splits
from vibe_photos.settings import Paths, Settings, TruthName
from vibe_photos.storage.jsonl import read_jsonl

WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True)
class Revision:
    """Where the labels of one side are, the splits by which its heads were trained, and its `dvc.lock`."""

    name: str
    labels: Path
    splits: Path
    lock: Lock

    def is_tuned_on_people(self) -> bool:
        """Return whether audited photos chose a threshold of these labels (`classify.tuned_on`)."""
        params = self.lock.stages["classify"].params if "classify" in self.lock.stages else {}
        classify = params.get(RESOLVED.as_posix(), {}).get("classify")
        return isinstance(classify, dict) and classify.get("tuned_on", "none") != "none"


def find_revision(name: str, paths: Paths) -> Revision:
    """Return where the labels and splits of `name` are: `workspace`, a label file, an experiment or a commit.

    A label file says nothing of who trained it; the workspace's splits and lock stand in.

    Raises:
        InputError: there is no such thing, or its files are not in the local cache.
    """
    if name == WORKSPACE or Path(name).is_file():
        labels = paths.labels if name == WORKSPACE else Path(name)
        return Revision(name, labels, paths.splits, read_lock() if LOCK.is_file() else Lock())
    lock = read_lock(find_commit(name))
    found = {path: _find_cached(lock, path, name) for path in (paths.labels, paths.splits)}
    absent = [path for path, cached in found.items() if not cached.is_file()]
    if absent:
        raise InputError(
            f"{' and '.join(str(path) for path in absent)} of {name}: not in the local cache; where somebody "
            f"pushed them, get them with: dvc fetch --all-commits {' '.join(str(path) for path in absent)}"
        )
    return Revision(name, found[paths.labels], found[paths.splits], lock)


def _find_cached(lock: Lock, path: Path, name: str) -> Path:
    for stage in lock.stages.values():
        for out in stage.outs:
            if out.path == path.as_posix() and out.md5:
                return find_cached_object(out.md5)
    raise InputError(f"{name} has no {path}: no stage of its {LOCK} writes that file")


def compare_revisions(
    before: str, after: str, truth: TruthName | None, settings: Settings
) -> LabelComparison:
    """Compare the labels of two revisions (`find_revision`) on the workspace's truth and taxonomy.

    `truth` None takes people's where there is any, else the teacher's on photos that did not train.

    Raises:
        InputError: a revision or a file of it is not there, or a file is malformed.
    """
    revisions = [find_revision(name, settings.paths) for name in (before, after)]
    a, b = (_read_side(revision) for revision in revisions)
    memberships = read_splits(settings.paths.splits)
    human = read_measured_sample(settings.paths.human, settings.taxonomy, memberships).records
    truth = truth or ("human" if human else "auto")
    evaluated = human if truth == "human" else weigh_untrained(_read_auto(settings), memberships).records
    return compare_labels(a, b, evaluated, memberships, settings.taxonomy, settings.evaluate)


def list_changed_stages(before: str, after: str, settings: Settings) -> list[str]:
    """Return the stages whose inputs or outputs differ between two revisions; none for a label file.

    Raises:
        InputError: a revision is not there.
    """
    return changed_stages(*(find_revision(name, settings.paths).lock for name in (before, after)))


def name_photos(settings: Settings) -> dict[str, str]:
    """Return each photo's path under the library's root by its id, where the manifest is at hand."""
    photos = settings.paths.photos
    return {photo.image_id: photo.rel_path for photo in read_manifest(photos)} if photos.is_file() else {}


def _read_side(revision: Revision) -> LabelSet:
    return LabelSet(
        name=revision.name,
        labels=read_labels(revision.labels),
        memberships=read_splits(revision.splits),
        is_tuned=revision.is_tuned_on_people(),
    )


def _read_auto(settings: Settings) -> list[GroundTruth]:
    path = settings.paths.auto / ALL_LABELS
    if not path.is_file():
        raise InputError(f"{path} does not exist; `dvc repro convert` makes it")
    return list(read_jsonl(path, GroundTruth))
