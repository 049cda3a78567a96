"""Ask teachers about a few photos; the answers stay in the store under each teacher's own key."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from vibe_photos.annotate.answers import AnswerStore
from vibe_photos.annotate.imports import absorb_output
from vibe_photos.annotate.stage import annotate_library
from vibe_photos.convert.stage import convert_annotations
from vibe_photos.errors import InputError
from vibe_photos.human_truth.draws import find_strata, read_draws
from vibe_photos.human_truth.sample import MeasuredSample, read_measured_sample
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth, RawAnnotation
from vibe_photos.records.photos import Photo, read_manifest
from vibe_photos.records.pictures import number_photos, pictures_path, read_pictures
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.settings import Rates, Settings
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TeacherAnswers:
    """What one teacher says of the pilot's photos.

    Attributes:
        name: of its file in `conf/teacher/`.
        records: its labels of the photos that it answered.
        usage: the prompt and completion tokens of each answer whose server reported them.
        rates: its speed and price.
    """

    name: str
    records: list[GroundTruth]
    usage: list[tuple[int, int]]
    rates: Rates


def read_measured(settings: Settings) -> tuple[MeasuredSample, dict[str, Membership]]:
    """Return the measured photos of the library, and all photos' memberships, from what is there.

    Only near-duplicate groups come from stage `split`; before it has run, each photo is alone.
    """
    paths, number_of = settings.paths, number_photos(settings)
    pictures = read_pictures(paths.photos)
    earlier, current_ids = pictures.find_earlier_ids(number_of), pictures.find_current_ids(number_of)
    known = read_splits(paths.splits) if paths.splits.exists() else {}
    strata = find_strata(read_draws(paths.human), list(number_of), current_ids)
    memberships = {
        image_id: Membership(
            group=known[image_id].group if image_id in known else image_id,
            fold=0,
            role="reserved",
            number=number,
            stratum=strata.get(image_id),
            earlier_ids=earlier.get(image_id, []),
        )
        for image_id, number in number_of.items()
    }
    return read_measured_sample(paths.human, settings.taxonomy, memberships), memberships


def choose_pilot(settings: Settings, measured: Sequence[str], photos: int | None) -> list[Photo]:
    """Return the measured photos; before anybody measured, those with the lowest permanent numbers.

    Raises:
        InputError: a number of photos is given although people have measured.
    """
    manifest = read_manifest(settings.paths.photos)
    if measured and photos is not None:
        raise InputError(
            f"people have measured {len(measured)} photos, and teachers are compared on these: leave out "
            "--photos"
        )
    if measured:
        chosen = set(measured)
        return [photo for photo in manifest if photo.image_id in chosen]
    number_of = number_photos(settings)
    return sorted(manifest, key=lambda one: number_of[one.image_id])[: photos or 200]


def ask_teacher(name: str, settings: Settings, photos: Sequence[Photo], store: Path) -> TeacherAnswers:
    """Ask about the photos that the teacher has not answered yet, and return all its answers.

    Raises:
        VibePhotosError: as stage `annotate`.
    """
    with AnswerStore(store) as answer_store:
        absorb_output(settings.paths.raw_annotations, answer_store)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        paths = replace(
            settings.paths,
            photos=folder / "photos.jsonl",
            raw_annotations=folder / "raw.jsonl",
            auto=folder / "auto",
            eval=folder,
        )
        annotate = replace(settings.annotate, budget=None, bursts="all", max_failed_share=1.0, dry_run=False)
        write_jsonl(paths.photos, photos)
        write_jsonl(pictures_path(paths.photos), read_pictures(settings.paths.photos).records)
        logger.info("pilot: %s", name)
        own = replace(settings, paths=paths, annotate=annotate)
        annotate_library(own, store)
        convert_annotations(own)
        raw = list(read_jsonl(paths.raw_annotations, RawAnnotation))
        records = list(read_jsonl(paths.auto / ALL_LABELS, GroundTruth))
    usage = [
        (one.usage["prompt_tokens"], one.usage["completion_tokens"])
        for one in raw
        if one.usage and {"prompt_tokens", "completion_tokens"} <= one.usage.keys()
    ]
    return TeacherAnswers(name, records, usage, settings.rates)
