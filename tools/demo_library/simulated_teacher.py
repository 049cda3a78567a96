"""A teacher that is simulated: it knows the truth and is wrong as often as its published error model says."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from tools.demo_library.library import Shot
from tools.demo_library.sketch import pick
from tools.demo_library.specs import ObjectSpec, PhotoSpec
from vibe_photos.annotate.estimate import image_tokens

MODEL_NAME = "demo-simulated-teacher"
_PROMPT_TOKENS = 348  # text and chat template, counted with Qwen's tokenizer
_ANSWER_TOKENS, _MENTION_TOKENS = 42, 31  # of the answers' JSON, fitted to counts of the same tokenizer
_FIRST_ANSWER_UNIX_SECONDS = 1_755_000_000


class BetaShape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Beta distribution of confidences."""

    alpha: float
    beta: float

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a confidence in [0, 1], rounded to two decimals as models state it."""
        return round(float(rng.beta(self.alpha, self.beta)), 2)


class AttributeErrors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often an attribute is answered wrongly: given it is absent, given it is present."""

    false_positive_rate: float
    false_negative_rate: float


class ObjectErrors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How things are missed, mistaken and made up.

    Attributes:
        miss_rate: Share of things not mentioned.
        miss_rate_by_word: The same for words that differ from it.
        wrong_type_rate: Share of the mentioned things that get another word.
        mistaken_for: Which words a word is mistaken for, each equally likely.
        spurious_rate: Share of photos with one thing that is not there.
        spurious_words: Its word, each equally likely.
        background_when_main_rate: Share of main things said to be in the background.
        main_when_background_rate: Share of background things said to be main.
        confidence: Confidence of right, wrong and spurious mentions.
    """

    miss_rate: float
    miss_rate_by_word: dict[str, float]
    wrong_type_rate: float
    mistaken_for: dict[str, list[str]]
    spurious_rate: float
    spurious_words: list[str]
    background_when_main_rate: float
    main_when_background_rate: float
    confidence: dict[str, BetaShape]


class Oddities(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Answers outside the vocabulary, drawn after all other errors.

    Attributes:
        scene_rate: Share of photos whose scene word is one of `scene_words`.
        scene_words: Unexpected scene words.
        coarse_type_rate: Share of mentioned things whose word is one of `coarse_types`.
        coarse_types: Unexpected words of things.
        null_attribute_rate: Share of attributes, each on its own, that are null.
    """

    scene_rate: float
    scene_words: list[str]
    coarse_type_rate: float
    coarse_types: list[str]
    null_attribute_rate: float


class ErrorModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rates of a simulated teacher; `scene_confusion[true][answered]` has rows that sum to 1."""

    about: str
    seed: int
    scene_confusion: dict[str, dict[str, float]]
    attributes: dict[str, AttributeErrors]
    objects: ObjectErrors
    oddities: Oddities


class Mention(msgspec.Struct, frozen=True):
    """One object of a raw annotation."""

    name_free: str
    coarse_type: str
    is_main: bool
    confidence: float


class Annotation(msgspec.Struct, frozen=True):
    """What a teacher says about a photo."""

    scene: str
    has_person: bool | None
    has_text: bool | None
    has_animal: bool | None
    is_document: bool | None
    is_screenshot: bool | None
    objects: list[Mention]


class Answer(msgspec.Struct, frozen=True):
    """A raw-annotation record, as the contract has it, marked as simulated."""

    image_id: str
    rel_path: str
    simulated: bool
    model: str
    annotation: Annotation
    finish_reason: str
    usage: dict[str, int]
    created_at: int


def read_error_model(path: Path) -> ErrorModel:
    """Read an error model; msgspec names what is missing, misspelt or of a wrong type."""
    return msgspec.json.decode(path.read_bytes(), type=ErrorModel)


def _answer_scene(rng: np.random.Generator, scene: str, model: ErrorModel) -> str:
    row = model.scene_confusion[scene]
    words = list(row)
    word = words[int(rng.choice(len(words), p=list(row.values())))]
    is_odd = rng.random() < model.oddities.scene_rate
    return pick(rng, model.oddities.scene_words) if is_odd else word


def _answer_attribute(rng: np.random.Generator, name: str, truth: bool, model: ErrorModel) -> bool | None:
    errors = model.attributes[name]
    is_wrong = rng.random() < (errors.false_negative_rate if truth else errors.false_positive_rate)
    is_null = rng.random() < model.oddities.null_attribute_rate
    return None if is_null else truth != is_wrong


def _mention(rng: np.random.Generator, thing: ObjectSpec, model: ErrorModel) -> Mention | None:
    """Mention a thing that is there, perhaps by a wrong word, or miss it."""
    errors, word = model.objects, thing.coarse_type
    if rng.random() < errors.miss_rate_by_word.get(word, errors.miss_rate):
        return None
    is_wrong = word in errors.mistaken_for and rng.random() < errors.wrong_type_rate
    name = pick(rng, ("{}", "{}", "a {}", "small {}", "{} in view")).format(thing.name)
    if is_wrong:
        word = pick(rng, errors.mistaken_for[word])
        name = word.replace("_", " ")
    if rng.random() < model.oddities.coarse_type_rate:
        word = pick(rng, model.oddities.coarse_types)
    flip_rate = errors.background_when_main_rate if thing.is_main else errors.main_when_background_rate
    is_main = thing.is_main != (rng.random() < flip_rate)
    return Mention(name, word, is_main, errors.confidence["wrong" if is_wrong else "right"].draw(rng))


def _make_up(rng: np.random.Generator, model: ErrorModel) -> Mention:
    word = pick(rng, model.objects.spurious_words)
    confidence = model.objects.confidence["spurious"].draw(rng)
    return Mention(word.replace("_", " "), word, bool(rng.random() < 0.5), confidence)


def annotate(rng: np.random.Generator, spec: PhotoSpec, model: ErrorModel) -> Annotation:
    """Answer for one photo as the error model has it."""
    scene = _answer_scene(rng, spec.scene, model)
    attributes = {name: _answer_attribute(rng, name, truth, model) for name, truth in spec.attributes.items()}
    mentions = [mention for thing in spec.objects if (mention := _mention(rng, thing, model))]
    if rng.random() < model.objects.spurious_rate:
        mentions.append(_make_up(rng, model))
    return Annotation(scene=scene, objects=mentions, **attributes)


def answer_library(named_shots: Sequence[tuple[Shot, str]], model: ErrorModel) -> list[Answer]:
    """Answer for every distinct photo, in the order given; each photo has its own seed."""
    answers = []
    now = _FIRST_ANSWER_UNIX_SECONDS
    for number, (shot, image_id) in enumerate(named_shots):
        rng = np.random.default_rng([model.seed, number])
        annotation = annotate(rng, shot.spec, model)
        prompt = _PROMPT_TOKENS + image_tokens(*shot.spec.size)
        completion = _ANSWER_TOKENS + _MENTION_TOKENS * len(annotation.objects) + int(rng.integers(0, 6))
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        now += int(rng.integers(1, 4))
        answers.append(Answer(image_id, shot.rel_path, True, MODEL_NAME, annotation, "stop", usage, now))
    return answers
