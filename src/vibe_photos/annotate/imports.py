"""Import answers into the store: made by this tool on another machine, or by the older scripts."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from vibe_photos.annotate.answers import Answer, AnswerKey, AnswerStore
from vibe_photos.annotate.question import build_question
from vibe_photos.annotate.reply import UnusableReply
from vibe_photos.errors import ConfigurationError, InputError
from vibe_photos.records.ground_truth import describe_unreadable
from vibe_photos.records.photos import name_hash
from vibe_photos.settings import Settings
from vibe_photos.storage.jsonl import read_numbered_lines

logger = logging.getLogger(__name__)

_HEAD_BYTES = 4096
IMPORTED = AnswerKey("imported", "imported")


@dataclass(slots=True)
class ImportSummary:
    """Counts of an import: new and already stored answers by key, repeated records, and invalid lines."""

    new: Counter[AnswerKey] = field(default_factory=Counter)
    known: Counter[AnswerKey] = field(default_factory=Counter)
    repeated: int = 0
    problems: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """Return a line for each model and question, and one for each kind of record that was left out."""
        keys = sorted({*self.new, *self.known}, key=lambda key: (key.model, key.prompt_id))
        names = {key: f"{key.model}, prompt {key.prompt_id}" for key in keys}
        names |= {IMPORTED: "answers that name no model and prompt"}
        lines = [f"{names[key]}: {self.new[key]} new, {self.known[key]} already there" for key in keys] or [
            "no answers found"
        ]
        if self.repeated:
            lines.append(f"{self.repeated} records were replaced by a later one of the same photo")
        if self.problems:
            lines.append(f"{len(self.problems)} lines are not answers and were left out (listed above)")
        return "\n".join(lines)


def import_annotations(
    files: Sequence[Path], store: Path, settings: Settings, default: AnswerKey = IMPORTED
) -> ImportSummary:
    """Import the answers of JSON Lines files into the store, and report what happened to every line.

    Records that name a model and prompt keep them; the others get those of `default`. If a photo has several
    valid records, the last one counts, over all files in the given order.

    Raises:
        InputError: a file does not exist, or all ids are of another hash than the library's. Nothing is
            imported then.
        StoreError: another run has locked the answers, or they cannot be written.
    """
    summary = ImportSummary()
    for path in files:
        _check_text(path)
    first_pass = enumerate(read_answers(files, default, summary.problems))
    last = {(answer.key, answer.image_id): number for number, answer in first_pass}
    _check_ids({image_id for _, image_id in last}, settings.library.content_hash)
    with AnswerStore(store) as answer_store:
        for number, answer in enumerate(read_answers(files, default)):
            if last[answer.key, answer.image_id] != number:
                summary.repeated += 1
                continue
            answers = answer_store.of(answer.key)
            kept = answers.find(answer.image_id)
            if kept is not None and kept.is_usable and kept.read() == answer.read():
                summary.known[answer.key] += 1
            else:
                answers.record(answer, answers.append(answer))  # synced before anything is reported
                summary.new[answer.key] += 1
        answer_store.sync()
    logger.info(summary.describe())
    logger.info(_describe_next_steps(summary, settings))
    return summary


def _check_text(path: Path) -> None:
    """Raise an InputError if a file is missing, a table, UTF-16 text or begins with a byte order mark."""
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    with path.open("rb") as file:
        if found := describe_unreadable(file.read(_HEAD_BYTES), path):
            raise InputError(found)


def refuse_other_ids(answered: Set[str], photos: Set[str], content_hash: str) -> None:
    """Refuse to pay again for a library whose answers are all under ids of another hash.

    Raises:
        ConfigurationError: so it is; names the setting to change.
    """
    others = {name_hash(image_id) for image_id in answered} - {None, content_hash}
    if others and not answered & photos:
        other = others.pop()
        raise ConfigurationError(
            f"the ids of the {len(answered)} answers are {other}, but library.content_hash is "
            f"{content_hash}: write `content_hash: {other}` under `library:` in params.yaml"
        )


def _check_ids(image_ids: set[str], content_hash: str) -> None:
    """Raise an error if no id fits `library.content_hash`; warn if some do not."""
    others = [found for image_id in image_ids if (found := name_hash(image_id)) not in (None, content_hash)]
    if not others:
        return
    what = (
        f"{len(others)} of {len(image_ids)} answers have {others[0]} ids, but library.content_hash is "
        f"{content_hash}: they match no photo of the library"
    )
    if len(others) == len(image_ids):
        raise InputError(
            f"{what}. Write `content_hash: {others[0]}` under `library:` in params.yaml, and import again"
        )
    logger.warning("%s", what)


def _describe_next_steps(summary: ImportSummary, settings: Settings) -> str:
    """Return the commands that use the imported answers, and what has to be changed first."""
    teacher = settings.teacher
    chosen = AnswerKey(teacher.model, build_question(teacher, settings.taxonomy).prompt_id)
    keys = {*summary.new, *summary.known}
    # DVC sees no change in the store: a stage that has run must be told to run again.
    has_run = settings.paths.raw_annotations.is_file() or Path("dvc.lock").is_file()
    how = f"To use them: {'dvc repro -f -s annotate && ' if has_run else ''}dvc repro"
    if not keys or chosen in keys:
        return how
    if IMPORTED in keys:
        first = "write `teacher: offline` under `use:` in params.yaml"
    elif any(key.model == chosen.model for key in keys):
        first = f"undo what changed its question {chosen.prompt_id} (conf/question.yaml, the vocabulary)"
    else:
        first = "choose the teacher that has them, under `use:` in params.yaml"
    return f"The chosen teacher ({chosen.model}) has none of these answers: first {first}.\n{how}"


def absorb_output(raw_annotations: Path, answer_store: AnswerStore) -> None:
    """Copy answers that only the existing output has (from `dvc pull`, or by hand) into the store.

    If the store already has an answer for a photo, it is kept; of several in the output the last counts.
    """
    added = set[tuple[AnswerKey, str]]()
    for answer in read_answers([raw_annotations], IMPORTED, []) if raw_annotations.is_file() else ():
        answers, place = answer_store.of(answer.key), (answer.key, answer.image_id)
        if answer.image_id not in answers or place in added:
            answers.record(answer, answers.append(answer))
            added.add(place)
    if added:
        answer_store.sync()
        logger.info("stored %d answers from %s", len(added), raw_annotations)


def read_answers(
    files: Sequence[Path], default: AnswerKey, problems: list[str] | None = None
) -> Iterator[Answer]:
    """Yield each valid answer; log the other lines and add them to `problems`, if that is given."""
    decoder = msgspec.json.Decoder(dict[str, Any])
    for path in files:
        for line_number, line in read_numbered_lines(path):
            try:
                answer = _make_answer(decoder.decode(line), default)
                answer.read()
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, UnusableReply) as error:
                if problems is not None:
                    torn = "" if line.endswith(b"\n") else " (the file was cut off here)"
                    problems.append(f"{path}, line {line_number}: {error}{torn}")
                    logger.warning("left out: %s", problems[-1])
            else:
                yield answer


def _make_answer(record: dict[str, Any], default: AnswerKey) -> Answer:
    """Return the answer in a raw annotation or in a line of a store's log."""
    given = {name: value for name, value in record.items() if value not in (None, "")}
    return msgspec.convert({"model": default.model, "prompt_id": default.prompt_id, **given}, Answer)
