"""Checks before the first paid request: each passes, or says what has to be fixed."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec.structs import replace

from vibe_photos.annotate.answers import AnswerKey, read_answered_ids
from vibe_photos.annotate.budget import ChosenPhotos, choose_photos, find_unanswered
from vibe_photos.annotate.estimate import estimate_run
from vibe_photos.annotate.imports import IMPORTED, read_answers, refuse_other_ids
from vibe_photos.annotate.question import Question, build_question
from vibe_photos.annotate.stage import annotate_library, check_teacher
from vibe_photos.configuration import compose_settings
from vibe_photos.embed.local import Job, LocalEngine
from vibe_photos.encoders.encoder import load_encoder
from vibe_photos.errors import ConfigurationError, VibePhotosError
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.lineage import FETCH_ONLY, GitError, read_dvc_config, run_git
from vibe_photos.records.photos import Photo, PhotoProblem, read_manifest
from vibe_photos.records.pictures import Pictures, pictures_path, read_pictures
from vibe_photos.records.splits import read_current_ids
from vibe_photos.records.taxonomy_check import find_contradictions
from vibe_photos.scan.stage import scan_library
from vibe_photos.settings import Settings
from vibe_photos.sharing.addresses import hide_credentials
from vibe_photos.sharing.share import format_size
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl
from vibe_photos.storage.local_store import find_store

BYTES_PER_PHOTO = 35_000
"""Approximate disk space: stage outputs, their copies in DVC's cache, and the store (docs/SCALING.md)."""


class Result(NamedTuple):
    """The result of one check: its name, whether it passed, and what was found or what to do."""

    name: str
    is_ok: bool
    detail: str


class _NotReady(VibePhotosError):
    """A check failed; the message says what to do."""


def check_project(asks: bool, overrides: Sequence[str] = ()) -> Iterator[Result]:
    """Check everything that the next `dvc repro` needs; yield each result as soon as it is known.

    No stage output is changed; hashes of the photos that are read are cached in the store.

    Args:
        asks: also ask the teacher about one photo; the answer costs money and is kept.
        overrides: choices and values for this check, as a stage takes them.
    """
    try:
        settings = compose_settings(overrides)
    except ConfigurationError as error:
        yield Result("configuration", False, str(error))
        return
    if wrong := [f"{key}: {what}" for key, what in find_contradictions(settings.taxonomy, settings.classify)]:
        yield Result("configuration", False, "; ".join(wrong))
        return
    yield Result("configuration", True, "taxonomy, thresholds and rules are consistent")
    with TemporaryDirectory() as scratch:
        check = _Check(settings, find_store(), Path(scratch))
        for name, run_check in check.list_checks(asks):
            try:
                yield Result(name, True, run_check())
            except VibePhotosError as error:
                yield Result(name, False, str(error))


class _Check:
    """The checks of one project; each returns what it found, or raises VibePhotosError with what to do."""

    def __init__(self, settings: Settings, store: Path, scratch: Path) -> None:
        self._settings = settings
        self._store = store
        self._scratch = scratch
        paths = replace(settings.paths, photos=scratch / "photos.jsonl")
        self._scratch_settings = replace(settings, paths=paths)

    def list_checks(self, asks: bool) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "photos", self._count_photos
        yield "disk space", self._measure_space
        yield "human labels", self._read_human_labels
        yield "answers", self._count_answers
        yield "teacher", self._reach_teacher
        if asks:
            yield "one answer", self._ask_about_one
        yield "encoder", self._embed_one
        yield "git", self._describe_git
        yield "dvc", self._describe_dvc

    @cached_property
    def _scanned(self) -> tuple[list[Photo], list[PhotoProblem], list[str]]:
        """The photos and problems of the library, and what was left out."""
        known = read_pictures(self._settings.paths.photos)
        write_jsonl(pictures_path(self._scratch_settings.paths.photos), known.records)
        left_out = scan_library(self._scratch_settings, self._store)
        problems = list(read_jsonl(self._scratch / "problems.jsonl", PhotoProblem))
        return read_manifest(self._scratch_settings.paths.photos), problems, left_out

    @cached_property
    def _chosen(self) -> ChosenPhotos:
        """The photos that the teacher is to be asked about."""
        assert self._scanned
        return choose_photos(self._scratch_settings, self._store)

    @cached_property
    def _pictures(self) -> Pictures:
        """The pictures that this or an earlier scan has seen."""
        assert self._scanned
        return read_pictures(self._scratch_settings.paths.photos)

    @cached_property
    def _question(self) -> Question:
        return build_question(self._settings.teacher, self._settings.taxonomy)

    @cached_property
    def _answered(self) -> set[str]:
        """The ids of photos that the chosen teacher answered, in the store or in the stage's output."""
        key = AnswerKey(self._settings.teacher.model, self._question.prompt_id)
        output = self._settings.paths.raw_annotations
        pulled = read_answers([output], IMPORTED, []) if output.is_file() else ()
        return read_answered_ids(self._store, key) | {a.image_id for a in pulled if a.key == key}

    def _count_photos(self) -> str:
        photos, problems, left_out = self._scanned
        found = f"{len(photos)} in {self._settings.library.root}"
        if problems:
            first = problems[0]
            found += f"; {len(problems)} files cannot be used, such as {first.rel_path}: "
            found += first.detail or first.reason
        else:
            found += ", all readable"
        return "\n        left out: ".join([found, *left_out])

    def _measure_space(self) -> str:
        needed = len(self._scanned[0]) * BYTES_PER_PHOTO
        for place in dict.fromkeys((Path.cwd(), _find_existing(self._store.absolute()))):
            free = shutil.disk_usage(place).free
            if free < needed:
                raise _NotReady(
                    f"{place} has {format_size(free)} free, and this library takes about "
                    f"{format_size(needed)}: free some space, or move the store (VIBE_PHOTOS_STORE) or DVC's "
                    "cache (`dvc cache dir`)"
                )
        return f"about {format_size(needed)} needed, {format_size(free)} free"

    def _read_human_labels(self) -> str:
        human = self._settings.paths.human
        truth = read_human_truth(human, read_current_ids(self._settings.paths.splits)).fit(
            self._settings.taxonomy, human
        )
        return f"{len(truth.measured)} photos measured, {len(truth.taught)} taught; all labels are known"

    def _count_answers(self) -> str:
        photos = list(self._chosen.read_asked())
        have = {
            photo.image_id
            for photo in photos
            if self._answered & {photo.image_id, *self._pictures.find_copies(photo.image_id)}
        }
        ids = [photo.image_id for photo in photos]
        if not have:
            refuse_other_ids(self._answered, {*ids}, self._settings.library.content_hash)
        if self._settings.teacher.server == "store" and len(have) < len(photos):
            found = f"{len(photos) - len(have)} of {len(photos)} photos have no answer, and no server is set"
            if not have:
                raise _NotReady(f"{found}: vibe-photos import-annotations FILE..., or change use.teacher")
            return f"{found}: they get no labels from the teacher"
        root = Path(self._settings.library.root)
        unanswered = find_unanswered(ids, self._answered, self._pictures)
        estimate = estimate_run(photos, unanswered, root, self._question)
        if not estimate.requests:
            return f"all {len(photos) - estimate.unreadable} photos have an answer: no request is needed"
        return estimate.describe(self._settings.rates).removeprefix("dry run, nothing was sent: ")

    def _reach_teacher(self) -> str:
        teacher = self._settings.teacher
        if teacher.server == "openai":
            return check_teacher(self._settings)
        return "no server: answers come from the store" if teacher.server == "store" else "a replay server"

    def _ask_about_one(self) -> str:
        photos = list(self._chosen.read_asked())
        unanswered = find_unanswered((photo.image_id for photo in photos), self._answered, self._pictures)
        photos = [photo for photo in photos if photo.image_id in unanswered]
        if not photos:
            return "every photo already has an answer"
        write_jsonl(self._scratch / "one.jsonl", photos[:1])
        here = self._scratch
        paths = replace(
            self._settings.paths,
            photos=here / "one.jsonl",
            raw_annotations=here / "raw.jsonl",
            eval=here / "eval",
        )
        annotate_library(replace(self._settings, paths=paths), self._store)
        return f"asked about {photos[0].rel_path}; the answer is paid for and kept"

    def _embed_one(self) -> str:
        settings = self._settings
        if settings.embedder.kind == "database":
            return "vectors come from an app's database: nothing to compute"
        encoder = load_encoder(settings.embedder, settings.embed)
        job = Job(Path(settings.library.root), settings.embedder, settings.embed, encoder.model)
        photos = self._scanned[0]
        for batch in LocalEngine(job, lambda: encoder).embed(photos, frozenset()):
            if batch.vectors:
                return f"{encoder.model} is loaded; vectors have {encoder.dim} dimensions"
        raise _NotReady(f"{encoder.model} could not embed any photo; `dvc repro embed` says why")

    def _describe_git(self) -> str:
        try:
            names = run_git("remote").split()
        except GitError:
            raise _NotReady("this folder is not in a git repository: run `git init`, and commit") from None
        addresses = {name: run_git("remote", "get-url", "--push", name).strip() for name in names}
        pushed = [
            f"{name} {_describe_readers(address)}"
            for name, address in addresses.items()
            if address != FETCH_ONLY
        ]
        return "; ".join(pushed) or "no remote to push to: human labels stay on this machine"

    def _describe_dvc(self) -> str:
        config = read_dvc_config()
        remotes = {
            section.strip("'").removeprefix("remote ").strip('"'): config[section].get("url", "")
            for section in config.sections()
            if section.strip("'").startswith("remote ")
        }
        shown = [f"{name} {_describe_readers(address)}" for name, address in remotes.items()]
        if not str(Path.cwd()).isascii():
            shown.append("`dvc exp run --queue` fails here: the path of this folder has non-ASCII characters")
        return "; ".join(shown) or "no remote: labels, answers and heads stay on this machine"


def _find_existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())


def _describe_readers(address: str) -> str:
    """Return an address without its credentials, and who can read what is pushed there."""
    shown = hide_credentials(address)
    host = urlsplit(shown).hostname if "://" in shown else None
    folder = Path(address.removeprefix("file://"))
    if host or not (folder.is_absolute() or folder.exists()):
        return f"({shown}): the settings of that host decide who can read it"
    if not folder.exists():
        return f"({shown}): this folder does not exist now"
    mode = folder.stat().st_mode
    readers = "every user" if mode & stat.S_IROTH else "its group" if mode & stat.S_IRGRP else "its owner"
    return f"({shown}): readable by {readers} on {os.uname().nodename}, and by whoever mounts it"


def print_checks(asks: bool, overrides: Sequence[str] = ()) -> None:
    """Print each result of `check_project`, with the same arguments, as soon as it is known.

    Raises:
        ConfigurationError: something has to be fixed first.
    """
    wrong = []
    for name, is_ok, detail in check_project(asks, overrides):
        print(f"{'ok ' if is_ok else 'FIX'}  {name:<13}  {detail}", flush=True)
        wrong += [] if is_ok else [name]
    if wrong:
        raise ConfigurationError(f"not ready: {', '.join(wrong)}")
