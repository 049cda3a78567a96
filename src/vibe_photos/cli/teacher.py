"""Commands about the teacher: its answers, and which one to take."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vibe_photos.cli.command import command, option
from vibe_photos.errors import ConfigurationError
from vibe_photos.records.photos import say_count
from vibe_photos.records.taxonomy import shown_names
from vibe_photos.settings import Replay
from vibe_photos.storage.local_store import find_store

if TYPE_CHECKING:
    from vibe_photos.pilot.teachers import JudgedTeacher, TeacherAnswers, TeacherCost, TeacherPair
    from vibe_photos.statistics.intervals import Interval

_FAULTS = {
    "error": "status 500",
    "rate-limit": "status 429",
    "malformed": "half an answer",
    "stall": "no reply",
}


@command(
    "import-annotations",
    option("files", nargs="+", type=Path, metavar="FILE"),
    option("--model", default="imported", metavar="NAME", help="model of answers without one (%(default)s)"),
    option("--prompt-id", default="imported", metavar="ID", help="id of their prompt (%(default)s)"),
)
def import_annotations(files: list[Path], model: str, prompt_id: str) -> None:
    """Take answers made elsewhere into the store.

    FILE has raw annotations: JSON Lines that this tool or an older script made, such as on another machine.
    Their photos are not paid for again.
    """
    from vibe_photos.annotate import imports
    from vibe_photos.annotate.answers import AnswerKey
    from vibe_photos.configuration import compose_settings

    # What params.yaml says now, not what it said in the last run.
    imports.import_annotations(files, find_store(), compose_settings(), AnswerKey(model, prompt_id))


@command("repair-store")
def repair_store() -> None:
    """Set damaged lines of the paid answers aside.

    One damaged line stops every run. This command moves such lines to a file beside the log of answers,
    `<log>.damaged`. The next run asks about their photos again.
    """
    from vibe_photos.annotate.answers import set_damaged_aside

    store = find_store()
    damaged = set_damaged_aside(store)
    for path, count in damaged.items():
        print(f"{path}: damaged lines moved to {path.name}.damaged: {count}")
    print("now: dvc repro" if damaged else f"no line of the answers in {store} is damaged")


@command(
    "replay-server",
    option("--recordings", required=True, metavar="FILE", help="raw annotations (JSON Lines) to answer from"),
    option("--port", type=int, default=0, metavar="N", help="port on 127.0.0.1 (default: a free one)"),
    option("--latency-seconds", type=float, default=0.0, metavar="S", help="how long each answer takes"),
    *(
        option(f"--{fault}-share", type=float, default=0.0, metavar="0..1", help=f"share that gets {what}")
        for fault, what in _FAULTS.items()
    ),
    option("--retry-after-seconds", type=int, default=1, metavar="S", help="Retry-After of a rate limit"),
    option("--seed", type=int, default=0, metavar="N", help="seed of the random faults"),
)
def replay_server(port: int, **values: Any) -> None:
    """Rehearse a run without a GPU: recorded answers over HTTP.

    An OpenAI-compatible server on this machine gives stage `annotate` recorded answers, and fails as often as
    you ask it to. Ctrl-C ends it.
    """
    from vibe_photos.annotate.replay import serve_until_interrupted

    try:
        replay = msgspec.convert(values, Replay)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"replay server: {error}") from None
    with suppress(KeyboardInterrupt):
        serve_until_interrupted(replay, port)


@command(
    "pilot",
    option("teachers", nargs="+", metavar="TEACHER", help="a file of conf/teacher"),
    option("--photos", type=int, metavar="N", help="how many photos, before anybody measured (default: 200)"),
    uses_human_truth=True,
)
def pilot(teachers: list[str], photos: int | None) -> None:
    """Ask several teachers about a few photos, and compare them.

    Before anybody measured, the photos are drawn at random (--photos), and the result is what the whole
    library would cost. Later they are those that people measured, and the result is also how good each
    teacher is, and which differences are more than chance. Answers are kept: none is paid for twice.
    """
    from vibe_photos.configuration import compose_settings
    from vibe_photos.pilot.teachers import ask_teacher, choose_pilot, compare_teachers, read_measured
    from vibe_photos.records.photos import read_manifest
    from vibe_photos.scan.stage import scan_library

    settings, store = compose_settings(), find_store()
    if not settings.paths.photos.exists():
        scan_library(settings, store)
    sample, memberships = read_measured(settings)
    chosen = choose_pilot(settings, [record.image_id for record in sample.records], photos)
    asked = [
        ask_teacher(name, compose_settings([f"teacher={name}"]), chosen, store)
        for name in dict.fromkeys(teachers)
    ]
    library = len(read_manifest(settings.paths.photos))
    if not sample.records:
        print(format_costs(asked, library, len(chosen)))
        return
    judged, pairs = compare_teachers(
        asked, sample.records, memberships, settings.taxonomy, settings.evaluate, library
    )
    names = shown_names(settings.taxonomy, "attribute") | shown_names(settings.taxonomy, "object")
    print(format_teachers(judged, pairs, len(chosen), settings.evaluate.confidence_level, names))


def format_costs(teachers: Sequence["TeacherAnswers"], library: int, photos: int) -> str:
    """Return what is known before anybody measured: costs, how many scenes agree, and what is next."""
    from vibe_photos.evaluate.text_report import format_table
    from vibe_photos.pilot.teachers import estimate_cost

    scenes = {one.name: {record.image_id: record.scene for record in one.records} for one in teachers}
    rows = [
        [one.name, str(len(one.records)), *_describe_cost(estimate_cost(one, library))] for one in teachers
    ]
    same = [
        f"photos to which {a} and {b} give the same scene: "
        f"{sum(scenes[a][i] == scenes[b].get(i) for i in scenes[a])}"
        for a, b in combinations(scenes, 2)
    ]
    return "\n".join(
        [
            f"{say_count(photos)} of {library:,}, drawn at random. The price is that of the whole library.",
            *format_table(("teacher", "answered", "hours", "price"), rows),
            *same,
            f"To see which is better, write `budget: {photos}` under `annotate:` and `size: {photos}` "
            "under `sample:` in params.yaml, then",
            "  dvc repro sample && vibe-photos review",
            "and run this command again.",
        ]
    )


def format_teachers(
    judged: Sequence["JudgedTeacher"],
    pairs: Sequence["TeacherPair"],
    photos: int,
    level: float,
    names: Mapping[str, str],
) -> str:
    """Return the comparison: a row for each teacher, the best first; each label's figures; then each pair.

    `names` has what people read instead of a short name.
    """
    from vibe_photos.evaluate.text_report import format_share, format_table

    rows = [
        [
            one.name,
            str(one.answered),
            f"{one.right:.3f} {_ends(one.interval)}" if one.right is not None else "-",
            *_describe_cost(one.cost),
            f"{one.price_of_thousand:.4f}" if one.price_of_thousand is not None else "-",
        ]
        for one in judged
    ]
    columns = ("teacher", "answered", "right labels", "hours", "price", "1,000 right")
    labels: list[list[object]] = [
        ["scene (accuracy)", *(format_share(one.figures["scene"], "accuracy") for one in judged)],
        ["objects (F1)", *(format_share(one.figures["objects"], "f1") for one in judged)],
    ]
    for name in judged[0].figures["attributes"]:
        values = [format_share(one.figures["attributes"][name], "f1") for one in judged]
        labels.append([f"{names[name]} (F1)", *values])
    return "\n".join(
        [
            f"{say_count(photos)} that people checked. Hours and price are for the whole library, by the "
            "tokens of these answers.",
            *format_table(columns, rows),
            "",
            *format_table(("", *(one.name for one in judged)), labels),
            "",
            *(line for pair in reversed(pairs) for line in _describe_pair(pair, names)),
            f"All pairs' ranges hold at once, in {level:.0%} of samples.",
        ]
    )


def _describe_pair(pair: "TeacherPair", names: Mapping[str, str]) -> list[str]:
    verdict = f"{pair.better} is better" if pair.better else "not told apart"
    said = [f"{pair.second} - {pair.first}: {pair.difference:+.3f} {_ends(pair.interval, '+')}: {verdict}"]
    for label in pair.labels:
        name = "accuracy" if label.label == "scene" else "F1"
        if name in label.figures:
            found = label.figures[name]
            before, after = found.before, found.after
            difference = "" if before is None or after is None else f"{after - before:+.3f} "
            said.append(
                f"  {names.get(label.label, label.label)}, {name}: {difference}{_ends(found.interval, '+')}"
            )
    return said


def _describe_cost(cost: "TeacherCost | None") -> list[str]:
    return ["-", "-"] if cost is None else [f"{cost.hours:.2f}", f"{cost.price:.2f} {cost.currency}"]


def _ends(interval: "Interval", sign: str = "") -> str:
    from vibe_photos.statistics.summary import explain_no_interval

    if interval.reason:
        return f"(no interval: {explain_no_interval(interval.reason)})"
    return f"({interval.low:{sign}.3f} to {interval.high:{sign}.3f})"
