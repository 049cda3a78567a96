"""Answers that were paid elsewhere, taken into the store: made by this tool or by the older scripts."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from vibe_photos.annotate.answer import Answer, AnswerKey
from vibe_photos.annotate.answers import Answers, AnswerStore
from vibe_photos.annotate.reply import UnusableReply
from vibe_photos.errors import InputError

logger = logging.getLogger(__name__)

IMPORTED = AnswerKey("imported", "imported")


class _Imported(msgspec.Struct, kw_only=True):
    """What is read of a line, whoever wrote it: a raw annotation, or an answer of another store."""

    image_id: str
    annotation: dict[str, Any] | None = None
    reply: str | None = None
    model: str | None = None
    prompt_id: str | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    created_at: int | None = None
    simulated: bool = False


@dataclass(slots=True)
class ImportSummary:
    """What an import found: answers that are new or kept already, by key, and lines that are no answer."""

    new: Counter[AnswerKey] = field(default_factory=Counter)
    known: Counter[AnswerKey] = field(default_factory=Counter)
    repeated: int = 0
    problems: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """Return a line for each model and question, and one for what was left out."""
        keys = sorted({*self.new, *self.known}, key=lambda key: (key.model, key.prompt_id))
        lines = [
            f"{key.model}, prompt {key.prompt_id}: {self.new[key]} new, {self.known[key]} already there"
            for key in keys
        ] or ["no answers found"]
        if self.repeated:
            lines.append(f"{self.repeated} records were followed by another of the same photo, which counts")
        if self.problems:
            lines.append(f"{len(self.problems)} lines are no answer and were left out (listed above)")
        return "\n".join(lines)


def import_annotations(
    files: Sequence[Path],
    store: Path,
    model: str = IMPORTED.model,
    prompt_id: str = IMPORTED.prompt_id,
) -> ImportSummary:
    """Take the answers of JSON Lines files into the store, and say what came of every line.

    Records that say their own model and prompt keep them; `model` and `prompt_id` are for those that do
    not. Of several records of a photo the last whole one counts, over all files in the given order.

    Raises:
        InputError: a file does not exist.
        StoreError: another run holds the answers, or they cannot be kept.
    """
    default = AnswerKey(model, prompt_id)
    summary = ImportSummary()
    last = _find_last(files, default, summary)
    with AnswerStore(store) as answer_store:
        for place, answer in _read_answers(files, default):
            if last[answer.key, answer.image_id] != place:
                summary.repeated += 1
                continue
            kept = answer_store.of(answer.key)
            _take(kept, answer, summary, is_new=not _says_the_same(kept.find(answer.image_id), answer))
        answer_store.sync()
    logger.info(summary.describe())
    logger.info("To use them: dvc repro -f -s annotate && dvc repro")
    return summary


def absorb_output(raw_annotations: Path, answer_store: AnswerStore) -> ImportSummary:
    """Take into the store what an existing output has and the store has not (from `dvc pull`, or by hand).

    Here the store's own answer of a photo stays the one that counts.
    """
    summary = ImportSummary()
    if raw_annotations.is_file():
        for _, answer in _read_answers([raw_annotations], IMPORTED, summary.problems):
            kept = answer_store.of(answer.key)
            _take(kept, answer, summary, is_new=answer.image_id not in kept)
        answer_store.sync()
    if summary.new:
        logger.info("kept %d answers that %s had", summary.new.total(), raw_annotations)
    return summary


_Place = tuple[int, int]
"""Which file of those given, and which line in it."""


def _find_last(
    files: Sequence[Path], default: AnswerKey, summary: ImportSummary
) -> dict[tuple[AnswerKey, str], _Place]:
    answers = _read_answers(files, default, summary.problems)
    return {(answer.key, answer.image_id): place for place, answer in answers}


def _read_answers(
    files: Sequence[Path], default: AnswerKey, problems: list[str] | None = None
) -> Iterator[tuple[_Place, Answer]]:
    """Yield every whole answer with its place; what is none is logged and added to `problems`."""
    decoder = msgspec.json.Decoder(_Imported)
    for file_number, path in enumerate(files):
        if not path.is_file():
            raise InputError(f"{path} does not exist")
        with path.open("rb") as file:
            for line_number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    answer = _to_answer(decoder.decode(line), default)
                    answer.read()
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, UnusableReply) as error:
                    if problems is not None:
                        torn = "" if line.endswith(b"\n") else " (the file was cut off here)"
                        problems.append(f"{path}, line {line_number}: {error}{torn}")
                        logger.warning("left out: %s", problems[-1])
                else:
                    yield (file_number, line_number), answer


def _to_answer(said: _Imported, default: AnswerKey) -> Answer:
    return Answer(
        image_id=said.image_id,
        model=said.model or default.model,
        prompt_id=said.prompt_id or default.prompt_id,
        reply=said.reply,
        annotation=said.annotation,
        finish_reason=said.finish_reason,
        usage=said.usage,
        created_at=said.created_at,
        simulated=said.simulated,
    )


def _take(kept: Answers, answer: Answer, summary: ImportSummary, *, is_new: bool) -> None:
    if is_new:
        kept.count(answer, kept.append(answer))  # synced before anyone is told
        summary.new[answer.key] += 1
    else:
        summary.known[answer.key] += 1


def _says_the_same(kept: Answer | None, answer: Answer) -> bool:
    """Whether a kept answer makes another one superfluous: the same annotation from the same source."""
    if kept is None:
        return False
    try:
        return kept.read() == answer.read()
    except UnusableReply:
        return False
