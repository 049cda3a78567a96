"""Two revisions of the labels, compared on the truth that is at hand."""

from vibe_photos.errors import InputError
from vibe_photos.eval.comparison.compare import LabelComparison, Side, compare_labels
from vibe_photos.eval.comparison.revisions import Revision, find_revision
from vibe_photos.eval.evaluate import read_memberships
from vibe_photos.heads.label_table import read_labels
from vibe_photos.labels.convert import ALL_LABELS
from vibe_photos.labels.human import read_audited_truth
from vibe_photos.labels.records import GroundTruth
from vibe_photos.library.photos import read_manifest
from vibe_photos.settings import Settings, TruthName
from vibe_photos.storage.dvc_records import changed_stages
from vibe_photos.storage.jsonl import read_jsonl


def compare_revisions(
    before: str, after: str, truth: TruthName | None, settings: Settings
) -> LabelComparison:
    """Compare the labels of two revisions (`find_revision`) on the workspace's truth and taxonomy.

    `truth` None takes people's where there is any, else the teacher's on the holdout.

    Raises:
        InputError: a revision or a file of it is not there, or a file is malformed.
    """
    revisions = [find_revision(name, settings.paths) for name in (before, after)]
    a, b = (_read_side(revision) for revision in revisions)
    memberships = read_memberships(settings.paths.splits)
    human = read_audited_truth(settings.paths.human, settings.taxonomy)
    truth = truth or ("human" if human else "auto")
    records = human if truth == "human" else _read_auto(settings)
    evaluated = [
        record
        for record in records
        if record.image_id in memberships
        and (truth == "human" or memberships[record.image_id].role == "holdout")
    ]
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


def _read_side(revision: Revision) -> Side:
    return Side(
        name=revision.name,
        labels=read_labels(revision.labels),
        memberships=read_memberships(revision.splits),
        is_tuned=revision.is_tuned_on_people(),
    )


def _read_auto(settings: Settings) -> list[GroundTruth]:
    path = settings.paths.auto / ALL_LABELS
    if not path.is_file():
        raise InputError(f"{path} does not exist; `dvc repro convert` makes it")
    return list(read_jsonl(path, GroundTruth))
