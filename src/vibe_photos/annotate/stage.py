"""The stage `annotate`: what is paid is reused, what is missing is asked, and the outs are a projection."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import uvloop

from vibe_photos.annotate.answer import AnswerKey
from vibe_photos.annotate.answers import Answers, AnswerStore, read_paid_ids
from vibe_photos.annotate.client import Client
from vibe_photos.annotate.endpoint import Endpoint, endpoint_from_environment
from vibe_photos.annotate.estimate import estimate_run
from vibe_photos.annotate.failures import Failure
from vibe_photos.annotate.imports import absorb_output
from vibe_photos.annotate.interview import Interview
from vibe_photos.annotate.progress import Progress
from vibe_photos.annotate.projection import Tally, project_answers, write_metric
from vibe_photos.annotate.prompt import Question, build_question
from vibe_photos.annotate.replay.rehearsal import start_replay_server
from vibe_photos.annotate.server import TeacherServer
from vibe_photos.errors import ConfigurationError, RunInterrupted, TooManyFailures
from vibe_photos.records.photos import Photo
from vibe_photos.settings import Settings
from vibe_photos.storage.jsonl import read_jsonl

logger = logging.getLogger(__name__)

Photos = Callable[[], Iterator[Photo]]
"""The photos to be annotated, in manifest order; read anew at every call, so that memory holds no list."""


def annotate_library(settings: Settings, store: Path) -> None:
    """Have an answer of the teacher for every photo of the manifest, and write all of them.

    With `annotate.dry_run` only reckons. The outs
    (`paths.raw_annotations`, `failures.jsonl` beside it, the metric `annotate.json`) are replaced once every
    photo was asked about; a run that ends before leaves them as they are, and its answers in the store.

    Raises:
        ConfigurationError: the environment does not fit the configuration.
        TeacherRefused, TeacherUnreachable: the server cannot be used.
        RunInterrupted: Ctrl-C.
        StoreError: another run holds the answers, their log is damaged, or the disk is full.
        TooManyFailures: more than `annotate.max_failed_share` have no answer (the outs are written).
    """
    question = build_question(settings.teacher, settings.taxonomy)
    key = _name_answers(settings.teacher.model, question, is_rehearsal=False)
    photos = _list_photos(settings)
    if settings.annotate.dry_run:
        paid = read_paid_ids(store, key)
        estimate = estimate_run(photos(), paid, Path(settings.library.root), question)
        logger.info(estimate.describe(settings.annotate.rates))
        return
    with _interruptible(), AnswerStore(store) as answer_store:
        answers = answer_store.of(key)
        absorb_output(settings.paths.raw_annotations, answer_store)
        missing = sum(photo.image_id not in answers for photo in photos())
        failures: dict[str, Failure] = {}
        if missing and settings.teacher.server != "store":
            with _reach_teacher(settings) as endpoint:
                asking = _ask_missing(settings, question, endpoint, photos, answer_store)
                answers, failures = uvloop.run(asking)
        outs = settings.paths.raw_annotations
        tally = project_answers(photos(), answers, failures, settings.library.root, outs)
    write_metric(settings.paths.eval / "annotate.json", tally, answers.key)
    _tell(tally, answers.key)
    _judge(tally, settings)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn Ctrl-C outside the interview into the same error as inside it."""
    try:
        yield
    except KeyboardInterrupt:
        raise RunInterrupted("interrupted; every answer is kept. Run the same command again") from None


def _list_photos(settings: Settings) -> Photos:
    return lambda: islice(read_jsonl(settings.paths.photos, Photo), settings.annotate.limit)


@contextmanager
def _reach_teacher(settings: Settings) -> Iterator[Endpoint]:
    """Yield where the teacher is; a replay server is started and stopped around it."""
    teacher = settings.teacher
    if teacher.server == "openai":
        yield endpoint_from_environment(os.environ, teacher, settings.annotate)
        return
    if teacher.replay is None:
        raise ConfigurationError("teacher.replay: teacher.server is replay, so it needs recordings")
    with start_replay_server(teacher.replay) as endpoint:
        yield endpoint


async def _ask_missing(
    settings: Settings,
    question: Question,
    endpoint: Endpoint,
    photos: Photos,
    answer_store: AnswerStore,
) -> tuple[Answers, dict[str, Failure]]:
    """Ask about the photos without an answer; return the answers and what could not be got."""
    teacher, annotate = settings.teacher, settings.annotate
    async with Client(endpoint, annotate.concurrency) as client:
        server = TeacherServer(
            client,
            question.response_format,
            slots=annotate.concurrency,
            timeout_seconds=annotate.timeout_seconds,
        )
        is_rehearsal = await server.greet() and teacher.server == "openai"
        answers = answer_store.of(_name_answers(teacher.model, question, is_rehearsal=is_rehearsal))
        progress = Progress(sum(photo.image_id not in answers for photo in photos()))
        root = Path(settings.library.root)
        interview = Interview(server, question, teacher.model, answers, root, annotate, progress)
        try:
            await interview.run(photo for photo in photos() if photo.image_id not in answers)
        finally:
            logger.info(progress.describe_run(annotate.rates))
        return answers, interview.failures


def _name_answers(model: str, question: Question, *, is_rehearsal: bool) -> AnswerKey:
    """Return the key of the answers; what a replay server simulates never counts as a model's own."""
    if is_rehearsal:
        model = f"rehearsal of {model}"
        logger.warning("this server replays simulated answers: a rehearsal, kept apart as %r", model)
    return AnswerKey(model, question.prompt_id)


def _tell(tally: Tally, key: AnswerKey) -> None:
    logger.info(
        "annotate: %d photos, %d answered by %s (%d prompt and %d completion tokens in all), failed: %s",
        tally.photos,
        tally.answered,
        key.model,
        tally.prompt_tokens,
        tally.completion_tokens,
        tally.describe_failures(),
    )


def _judge(tally: Tally, settings: Settings) -> None:
    """Fail the stage when too many photos have no answer.

    What is `missing` with no server to ask is listed, not judged, unless nothing is there at all.
    """
    failures_path = settings.paths.raw_annotations.with_name("failures.jsonl")
    if tally.photos and tally.failed["missing"] == tally.photos:
        raise TooManyFailures(
            f"the store has no answer for any of the {tally.photos} photos ({settings.teacher.model}). "
            "Import them: vibe-photos import-annotations FILE..., or choose a teacher with a server "
            "(use.teacher in params.yaml)"
        )
    if tally.without_answer > settings.annotate.max_failed_share * tally.photos:
        raise TooManyFailures(
            f"{tally.without_answer} of {tally.photos} photos have no answer ({tally.describe_failures()}), "
            f"more than annotate.max_failed_share allows. What is answered is kept; {failures_path} says why "
            "each failed, and another run asks about those only"
        )
