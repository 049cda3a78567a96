"""The stage `annotate`: reuse stored answers, request missing ones, and write all of them.

The way of one photo: it is chosen (`budget`), prepared (`question`), asked about (`run`, `server`, `client`;
`state` says when), its reply is read (`reply`), kept (`answers`) and written (`outputs`).
"""

import asyncio
import logging
import resource
from collections.abc import AsyncIterator, Iterator, Set
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from msgspec.structs import replace

from vibe_photos.annotate.answers import AnswerKey, Answers, AnswerStore, read_answered_ids
from vibe_photos.annotate.budget import ChosenPhotos, choose_photos, find_unanswered
from vibe_photos.annotate.client import Client, Endpoint, endpoint_from_environment
from vibe_photos.annotate.estimate import estimate_run
from vibe_photos.annotate.imports import absorb_output, refuse_other_ids
from vibe_photos.annotate.outputs import Tally, write_metric, write_outputs
from vibe_photos.annotate.question import Question, build_question
from vibe_photos.annotate.run import AnnotationRun
from vibe_photos.annotate.server import TeacherServer
from vibe_photos.annotate.state import ServerState
from vibe_photos.errors import ConfigurationError, RunInterrupted, TeacherUnreachable, TooManyFailures
from vibe_photos.records.failures import NEVER_SENT, Failure, failures_path, read_failures
from vibe_photos.records.photos import say_count
from vibe_photos.records.pictures import read_pictures
from vibe_photos.settings import Settings

logger = logging.getLogger(__name__)

_OTHER_DESCRIPTORS = 64


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise `RunInterrupted` for Ctrl-C, also where nothing is being asked."""
    try:
        yield
    except KeyboardInterrupt:
        raise RunInterrupted("interrupted; every answer is kept. Run the same command again") from None


@_interruptible()
def annotate_library(settings: Settings, store: Path) -> None:
    """Get the teacher's answers about the chosen photos (`annotate.budget`), and write them.

    With `annotate.dry_run`, only log what it would cost. The outputs (`paths.raw_annotations`,
    `failures.jsonl` in the same folder, the metric `annotate.json`) are replaced once all requests are done;
    a run that ends earlier leaves them unchanged, with its answers in the store.

    Raises:
        ConfigurationError: the environment does not fit the configuration.
        TeacherRefused: the server cannot be used.
        TeacherUnreachable: no server answers, and some photos were never asked about.
        RunInterrupted: Ctrl-C.
        StoreError: another run has locked the answers, their log is damaged, or the disk is full.
        TooManyFailures: more than `annotate.max_failed_share` have no answer (the outputs are written).
    """
    photos = choose_photos(settings, store)
    question = build_question(settings.teacher, settings.taxonomy)
    key = AnswerKey(settings.teacher.model, question.prompt_id)
    if settings.annotate.dry_run:
        ids, pictures = (one.image_id for one in photos.read_asked()), read_pictures(settings.paths.photos)
        unanswered = find_unanswered(ids, read_answered_ids(store, key), pictures)
        estimate = estimate_run(photos.read_asked(), unanswered, Path(settings.library.root), question)
        logger.info(estimate.describe(settings.rates))
        return
    with AnswerStore(store) as answer_store:
        absorb_output(settings.paths.raw_annotations, answer_store)
        answers = answer_store.of(key)
        _reuse_answers(settings, photos, answers)
        answers, failures = _get_missing_answers(settings, photos, question, answers, answer_store)
        tally = write_outputs(settings, photos, answers, failures)
    write_metric(settings.paths.eval / "annotate.json", tally, answers.key)
    _log_summary(tally, answers.key)
    _check_failed_share(tally, settings)


def _reuse_answers(settings: Settings, photos: ChosenPhotos, answers: Answers) -> None:
    """Copy answers to photos whose file was rewritten."""
    missing = [photo.image_id for photo in photos.read_asked() if photo.image_id not in answers]
    if missing and (count := answers.copy_to_rewritten_files(missing, read_pictures(settings.paths.photos))):
        logger.info(
            "annotate: %s answered before, in another file: not asked again", say_count(count, "picture")
        )


def _get_missing_answers(
    settings: Settings, photos: ChosenPhotos, question: Question, answers: Answers, answer_store: AnswerStore
) -> tuple[Answers, dict[str, Failure]]:
    """Ask about the photos without an answer, if there is a server; return the answers, and failures by id.

    If all these photos failed before, no server is needed now: the next scan marks them for a retry.
    """
    ids = {photo.image_id for photo in photos.read_asked()}
    missing = {image_id for image_id in ids if image_id not in answers}
    if not missing or settings.teacher.server == "store":
        return answers, {}
    if missing == ids:
        refuse_other_ids(answers.image_ids, ids, settings.library.content_hash)
    earlier = _find_earlier_failures(settings, photos, missing)
    if earlier and not settings.teacher.has_server:
        logger.warning("QWEN_BASE_URL is not set: %d photos stay without an answer", len(missing))
        return answers, earlier
    try:
        return asyncio.run(_ask_missing(settings, photos, question, answer_store))
    except TeacherUnreachable as error:
        if not earlier:
            raise
        logger.warning("photos that failed before and stay without an answer: %s", error)
        return answers, earlier


def _find_earlier_failures(settings: Settings, photos: ChosenPhotos, missing: Set[str]) -> dict[str, Failure]:
    """Return why each missing photo, or another file of it, failed before; none if one was never sent."""
    known, pictures = read_failures(settings.paths.raw_annotations), read_pictures(settings.paths.photos)
    earlier = dict[str, Failure]()
    for photo in photos.read_asked():
        if photo.image_id in missing:
            ids = photo.image_id, *pictures.find_copies(photo.image_id)
            failure = next((known[one] for one in ids if one in known), None)
            if failure is None or failure.kind in NEVER_SENT:
                return {}
            earlier[photo.image_id] = replace(
                failure, image_id=photo.image_id, rel_path=photo.rel_path, retry=False
            )
    return earlier


async def _ask_missing(
    settings: Settings, photos: ChosenPhotos, question: Question, answer_store: AnswerStore
) -> tuple[Answers, dict[str, Failure]]:
    """Ask about the photos without an answer; return the answers and the failures by id.

    Simulated answers of a server that should be a real one are a rehearsal, with a key of their own.
    """
    _ensure_open_file_limit(settings.annotate.concurrency)
    async with _connect(settings, question.response_format, settings.annotate.concurrency) as server:
        model = settings.teacher.model
        if server.is_simulated and settings.teacher.server == "openai":
            model = f"rehearsal of {model}"
            logger.warning("this server replays simulated answers: a rehearsal, stored as %r", model)
        answers = answer_store.of(AnswerKey(model, question.prompt_id))
        pictures, tried, failures = read_pictures(settings.paths.photos), set[str](), dict[str, Failure]()
        while True:  # if one file of a picture fails, the next run of the loop asks about another
            _reuse_answers(settings, photos, answers)
            missing = [one.image_id for one in photos.read_asked() if one.image_id not in answers]
            chosen = find_unanswered((one for one in missing if one not in tried), set(), pictures)
            if not chosen:
                return answers, failures
            run = AnnotationRun(settings, question, server, answers)
            await run.ask_about((one for one in photos.read_asked() if one.image_id in chosen), len(chosen))
            failures |= run.failures
            tried |= chosen


@asynccontextmanager
async def _connect(settings: Settings, response_format: str, slots: int) -> AsyncIterator[TeacherServer]:
    """Yield the configured server, after a check that it can be reached and serves the model."""
    with _open_endpoint(settings) as endpoint:
        async with Client(endpoint, slots) as client:
            annotate = settings.annotate
            state = ServerState(
                slots,
                wait_seconds=60 * annotate.wait_minutes,
                max_photos_failed_in_a_row=annotate.max_failures_in_a_row,
            )
            server = TeacherServer(
                client,
                settings.teacher.model,
                response_format,
                state,
                timeout_seconds=annotate.timeout_seconds,
                model_aliases=annotate.model_aliases,
            )
            await server.check_reachable()
            if settings.teacher.server == "openai" and not server.is_simulated:
                server.check_model()
            yield server


@contextmanager
def _open_endpoint(settings: Settings) -> Iterator[Endpoint]:
    """Yield the teacher's endpoint; a replay server runs only inside this context."""
    teacher = settings.teacher
    if teacher.server == "openai":
        yield endpoint_from_environment(teacher, settings.annotate)
        return
    if teacher.replay is None:
        raise ConfigurationError("teacher.replay: teacher.server is replay, so it needs recordings")
    from vibe_photos.annotate.replay import start_replay_server  # starlette and uvicorn take time to import

    with start_replay_server(teacher.replay) as base_url:
        yield Endpoint(base_url)


def check_teacher(settings: Settings) -> str:
    """Ask the configured server for its list of models; return the result as text.

    Raises:
        ConfigurationError: the environment does not fit the configuration.
        TeacherUnreachable: no server answers at the address.
        TeacherRefused: it refuses the key, or lists other models only.
    """

    async def ask() -> str:
        async with _connect(settings, "text", slots=1) as server:
            if server.is_simulated:
                return "replays simulated answers: a rehearsal, whose answers are stored separately"
            if trouble := server.state.describe():
                return f"is reachable but not ready yet: {trouble}"
            if not server.models:
                return (
                    "answers but does not list its models: `--ask` shows whether it serves "
                    f"{settings.teacher.model}"
                )
            return f"serves {settings.teacher.model}"

    return f"{endpoint_from_environment(settings.teacher, settings.annotate).base_url} {asyncio.run(ask())}"


def _ensure_open_file_limit(slots: int) -> None:
    """Let this process open as many files as a run needs: a connection for each slot, and photos.

    Raises:
        ConfigurationError: the system does not allow it.
    """
    needed = slots + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    is_enough = hard == resource.RLIM_INFINITY or hard >= needed
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed if is_enough else hard, hard))
    if not is_enough:
        raise ConfigurationError(
            f"annotate.concurrency is {slots}, which needs about {needed} open files, and this system allows "
            f"{hard}. Raise the limit (ulimit -Hn {needed}) or lower annotate.concurrency"
        )


def _log_summary(tally: Tally, key: AnswerKey) -> None:
    logger.info(
        "annotate: %d photos, %d answered by %s (%d prompt and %d completion tokens in all), failed: %s; %s",
        *(tally.photos, tally.answered, key.model),
        *(tally.tokens["prompt_tokens"], tally.tokens["completion_tokens"]),
        *(tally.describe_failures(), tally.describe_pixels_versions()),
    )
    if tally.failed["no_answer"]:
        logger.warning(
            "photos without an answer for a temporary reason: %d. If the server is available, the next "
            "`dvc repro` asks about them again",
            tally.failed["no_answer"],
        )


def _check_failed_share(tally: Tally, settings: Settings) -> None:
    """Fail the stage when too many photos have no answer.

    Photos `missing` for lack of a server do not count, unless all are.
    """
    if tally.photos and tally.failed["missing"] == tally.photos:
        raise TooManyFailures(
            f"the store has no answer for any of the {tally.photos} photos ({settings.teacher.model}). "
            "Import them: vibe-photos import-annotations FILE..., or choose a teacher with a server "
            "(use.teacher in params.yaml)"
        )
    failures = failures_path(settings.paths.raw_annotations)
    without_answer = tally.failed.total() - tally.failed["missing"]
    if without_answer > settings.annotate.max_failed_share * tally.photos:
        raise TooManyFailures(
            f"{without_answer} of {tally.photos} photos have no answer ({tally.describe_failures()}), "
            f"more than annotate.max_failed_share allows. Every answer so far is kept; {failures} says "
            "why each failed, and another run asks about those only"
        )
