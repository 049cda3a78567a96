"""The configuration as typed sections."""

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
PositiveNumber = Annotated[float, Meta(gt=0.0)]

HeadName = Literal["scene", "attribute", "object"]
"""The three groups of labels. Each has one head, one file of automatic truth and one level in the tables."""

TruthName = Literal["human", "auto"]
"""What labels are evaluated against: people's records, or the teacher's labels on the holdout."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A section of the configuration: immutable, and unknown keys are an error."""


class Library(Section, frozen=True):
    """The photo folder, and which files in it are photos."""

    root: str
    content_hash: Literal["xxh3_128", "xxh64"]
    extensions: list[str]
    skip_names: list[str]


class Vocabulary(Section, frozen=True):
    """The words offered to the teacher, in the order in which it reads them."""

    scenes: list[str]
    attributes: list[str]
    objects: list[str]


class Prompts(Section, frozen=True):
    """Text prompts for labels without a head, by short name; they need an encoder with a text tower."""

    scene: dict[str, list[str]]
    attribute: dict[str, list[str]]
    object: dict[str, list[str]]


class Definition(Section, frozen=True):
    """A label's name where people read, and one sentence of what it means and what it is not."""

    name: str = ""
    means: str = ""


class Taxonomy(Section, frozen=True):
    """The words that the teacher may answer, and the label key of each word.

    `definitions` says by label key what a label is called and means. `renamed` maps old keys to new ones,
    `removed` lists deleted keys. With them, labels that people gave under old keys still count.
    """

    vocabulary: Vocabulary
    scenes: dict[str, str]
    other_scene: str
    attributes: dict[str, str]
    objects: dict[str, str]
    prompts: Prompts
    definitions: dict[str, Definition] = {}
    renamed: dict[str, str] = {}
    removed: list[str] = []


class SentImage(Section, frozen=True):
    """The JPEG sent to the teacher: longest edge and area in pixels, JPEG quality 1-95."""

    max_edge_px: Positive
    max_pixels: Positive
    jpeg_quality: Annotated[int, Meta(ge=1, le=95)]


class Sampling(Section, frozen=True):
    """How the teacher generates text; `max_tokens` limits a reply."""

    temperature: Annotated[float, Meta(ge=0.0)]
    max_tokens: Positive
    seed: int | None


class Replay(Section, frozen=True):
    """How the replay server behaves: recorded answers, latency in seconds, and shares of faults.

    Of all requests, `error_share` get status 500, `rate_limit_share` status 429 with a `Retry-After` of
    `retry_after_seconds`, `malformed_share` a truncated answer, and `stall_share` no answer.
    """

    recordings: str
    latency_seconds: Annotated[float, Meta(ge=0.0)] = 0.0
    error_share: Share = 0.0
    rate_limit_share: Share = 0.0
    malformed_share: Share = 0.0
    stall_share: Share = 0.0
    retry_after_seconds: Count = 1
    seed: int = 0


class Rates(Section, frozen=True):
    """Assumptions of estimates: the server's total tokens per second, and its price per hour.

    A server that is paid by the token has prices per million tokens instead; then `price_per_hour` is unused.
    """

    prompt_tokens_per_second: PositiveNumber
    completion_tokens_per_second: PositiveNumber
    price_per_hour: Annotated[float, Meta(ge=0.0)]
    currency: str
    prompt_price_per_million: Annotated[float, Meta(ge=0.0)] | None = None
    completion_price_per_million: Annotated[float, Meta(ge=0.0)] | None = None

    def hours(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Return the server's computing time in hours: the sum for prompt and completion tokens."""
        prompt_seconds = prompt_tokens / self.prompt_tokens_per_second
        return (prompt_seconds + completion_tokens / self.completion_tokens_per_second) / 3600

    def price(self, prompt_tokens: float, completion_tokens: float, hours: float | None = None) -> float:
        """Return what so many tokens cost, in `currency`; `hours` if it is known how long they took."""
        prompt, completion = self.prompt_price_per_million, self.completion_price_per_million
        if prompt is None and completion is None:
            hours = self.hours(prompt_tokens, completion_tokens) if hours is None else hours
            return hours * self.price_per_hour
        return ((prompt or 0.0) * prompt_tokens + (completion or 0.0) * completion_tokens) / 1e6

    def describe_price(self) -> str:
        """Return what is paid for: hours of a server, or prompt and completion tokens."""
        prompt, completion = self.prompt_price_per_million, self.completion_price_per_million
        if prompt is None and completion is None:
            return f"{self.price_per_hour:g} {self.currency}/hour"
        return f"{prompt or 0:g} and {completion or 0:g} {self.currency} for a million"


class Teacher(Section, frozen=True):
    """The model and the question: everything that can change an answer.

    `server` is `openai` (any OpenAI-compatible server, `QWEN_BASE_URL`), `replay` (recorded answers, served
    on this machine) or `store` (no server: only stored answers). `prompt_id` is set only for imported
    answers; otherwise it is computed. `definitions`: whether the prompt ends with what each word means.
    `rates` are this teacher's, in place of `annotate.rates`.
    """

    server: Literal["openai", "replay", "store"]
    model: str
    prompt_id: str | None
    system_prompt: str
    user_prompt: str
    response_format: Literal["json_schema", "json_object"]
    image: SentImage
    sampling: Sampling
    definitions: bool = False
    replay: Replay | None = None
    rates: Rates | None = None

    @property
    def has_server(self) -> bool:
        """Whether there is a server to ask: `QWEN_BASE_URL` is set, or the answers are replayed."""
        has_address = bool(os.environ.get("QWEN_BASE_URL", "").strip())
        return self.server == "replay" or (self.server == "openai" and has_address)


class Annotate(Section, frozen=True):
    """How the teacher is asked.

    `budget`: about how many photos (null: all). `bursts`: `once` asks about one of each group of
    near-duplicates (`split.max_hash_distance`). `max_attempts`: requests per photo and run. Photos with more
    than `max_pixels` are not sent. `wait_minutes`: how long a server that went away is waited for.
    `max_failures_in_a_row`: so many photos without a usable answer stop the run. `model_aliases`: other names
    of `teacher.model` in the server's list and replies.
    """

    budget: Positive | None
    bursts: Literal["all", "once"]
    max_attempts: Positive
    max_failed_share: Share
    max_pixels: Positive
    concurrency: Positive
    workers: Positive
    timeout_seconds: PositiveNumber
    wait_minutes: PositiveNumber
    max_failures_in_a_row: Positive
    model_aliases: list[str]
    dry_run: bool
    allow_plain_http: bool
    rates: Rates


class Convert(Section, frozen=True):
    """Which of the teacher's objects become labels."""

    min_object_confidence: Share
    include_non_main: bool


class Sample(Section, frozen=True):
    """How many photos people are asked to check, and how they are drawn."""

    size: Count
    seed: int
    strategy: Literal["random", "stratified"]
    min_per_stratum: Count


class Split(Section, frozen=True):
    """Folds, holdout, and the distance (of 64 bits) up to which two photos are near-duplicates."""

    seed: int
    folds: Annotated[int, Meta(ge=2)]
    holdout_share: Share
    max_hash_distance: Annotated[int, Meta(ge=0, le=16)]


class Embed(Section, frozen=True):
    """How photos become vectors. Photos with more than `max_pixels` are not read.

    `engine` is `local` (this process) or `ray` (a Ray cluster at `ray_address`, else at `RAY_ADDRESS`, else
    one started on this machine). With `ray`, each worker of the cluster uses `workers` CPU cores.
    """

    max_pixels: Positive
    max_failed_share: Share
    precision: Literal["float32", "bfloat16"]
    batch_size: Positive
    workers: Positive
    device: str
    engine: Literal["local", "ray"] = "local"
    ray_address: str | None = None


class HeadTraining(Section, frozen=True):
    """How one head is fitted: the positives that a label needs at least, and the L2 penalties to try."""

    min_positive: Positive
    l2: list[PositiveNumber]
    class_weight: Literal["balanced", "none"]


class Train(Section, frozen=True):
    """How the three heads are fitted."""

    seed: int
    scene: HeadTraining
    attribute: HeadTraining
    object: HeadTraining


TunedOn = Literal["none", "human_tune_half"]
"""`human_tune_half`: thresholds or temperatures were tuned on half of the measured photos; not scored."""


class Temperatures(Section, frozen=True):
    """What the logits of each level's probabilities are divided by: below 1 they become more confident."""

    scene: PositiveNumber = 1.0
    attribute: PositiveNumber = 1.0
    object: PositiveNumber = 1.0


class Classify(Section, frozen=True):
    """How probabilities become labels. Thresholds are by short name (`has_person`, `keyboard`, `default`).

    `attribute_from_scene` maps an attribute's short name to the scene key that decides it. `tuned_on` decides
    which photos are scored; it changes no label.
    """

    attribute_threshold: dict[str, Share]
    object_threshold: dict[str, Share]
    attribute_from_scene: dict[str, str]
    tuned_on: TunedOn = "none"
    temperature: Temperatures = Temperatures()

    @property
    def scored_half(self) -> Literal["score"] | None:
        """The half of the measured photos that is scored; None if all are."""
        return None if self.tuned_on == "none" else "score"


class Evaluate(Section, frozen=True):
    """How labels are evaluated."""

    confidence_level: Annotated[float, Meta(gt=0.0, lt=1.0)]
    bootstrap_repetitions: Positive
    seed: int


class Embedder(Section, frozen=True):
    """The encoder that turns pixels into a vector. Which fields it needs depends on `kind`.

    - `hog` needs none.
    - `onnx`: `checkpoint` (a file) and the preprocessing. `mean` and `std` are in units of the scaled pixels
      (`scale` times 0..255), in the order of `channels`. `outputs` are the model's outputs or inner tensors,
      joined with equal weight, `pooling` is over the positions of feature maps and tokens; `transform: log`
      turns probabilities into logits, `sqrt` damps large features.
    - `siglip`: `architecture` (an open_clip name) with `checkpoint` (a tag or a file), or `checkpoint` alone
      (`local-dir:PATH` or `hf-hub:OWNER/NAME@COMMIT`). `precision` overrides `embed.precision`: float64 is
      slow and gives the same vectors on every processor.
    - `database`: `source_model` and `dim` of the app's vectors, and `revision`, to change when these change.

    The model's name, which is also used as a file name, starts with `name`.
    """

    kind: Literal["hog", "onnx", "siglip", "database"]
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    architecture: str | None = None
    checkpoint: str | None = None
    precision: Literal["float32", "bfloat16", "float64"] | None = None
    input_px: Positive | None = None
    resize: Literal["squash", "center_crop"] | None = None
    resize_px: Positive | None = None
    scale: float | None = None
    mean: list[float] | None = None
    std: list[float] | None = None
    channels: Literal["RGB", "BGR"] | None = None
    outputs: list[str] | None = None
    pooling: Literal["none", "mean", "max"] = "none"
    transform: Literal["none", "sqrt", "log"] = "none"
    source_model: str | None = None
    dim: Positive | None = None
    revision: Count | None = None


class Paths(Section, frozen=True):
    """The path of every file, relative to the repository root or absolute."""

    photos: Path
    raw_annotations: Path
    auto: Path
    training: Path
    sample: Path
    human: Path
    splits: Path
    embeddings: Path
    models: Path
    probabilities: Path
    labels: Path
    eval: Path
    report: Path


class Settings(Section, frozen=True):
    """The whole configuration. `head` and `truth` say which instance of a repeated stage runs."""

    library: Library
    teacher: Teacher
    taxonomy: Taxonomy
    embedder: Embedder
    annotate: Annotate
    convert: Convert
    sample: Sample
    split: Split
    embed: Embed
    train: Train
    classify: Classify
    evaluate: Evaluate
    paths: Paths
    head: HeadName
    truth: TruthName

    @property
    def rates(self) -> Rates:
        """Speed and price of the chosen teacher."""
        return self.teacher.rates or self.annotate.rates
