"""`vibe-photos`: what a person does beside `dvc repro`."""

import argparse
import logging
import sys
from pathlib import Path
from typing import TypeAlias

from vibe_photos.errors import VibePhotosError

log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an expected error is a sentence on stderr and status 1."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except VibePhotosError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; nothing heavy is imported before one of them runs."""
    parser = argparse.ArgumentParser(prog="vibe-photos", description="What a person does beside `dvc repro`.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_import_annotations(commands)
    _add_import_human(commands)
    _add_replay_server(commands)
    _add_compare(commands)
    _add_suspects(commands)
    _add_thresholds(commands)
    _add_predict(commands)
    return parser


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_import_annotations(commands: Commands) -> None:
    parser = commands.add_parser(
        "import-annotations",
        help="take answers made elsewhere into the store",
        description="Take raw annotations (JSON Lines made by this tool or an older script, on another "
        "machine) into the store, so that they are never paid for again.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--model", default="imported", help="model of records that do not say (%(default)s)")
    parser.add_argument(
        "--prompt-id", default="imported", help="prompt_id of records that do not say (%(default)s)"
    )
    parser.set_defaults(run=_import_annotations)


def _import_annotations(options: argparse.Namespace) -> None:
    from vibe_photos.storage.local_store import find_store
    from vibe_photos.teacher.imports import import_annotations

    import_annotations(options.files, find_store(), options.model, options.prompt_id)


def _add_import_human(commands: Commands) -> None:
    parser = commands.add_parser(
        "import-human",
        help="take truth that you already have as audited truth",
        description="Check a truth file (JSON list or JSON Lines; photos named by image_id or rel_path), "
        "show what it would change in data/human/, and with --write take it.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--write", action="store_true", help="take it; without this it is only shown")
    parser.add_argument(
        "--only-sampled", action="store_true", help="only photos that stage `sample` drew, with their weights"
    )
    parser.add_argument(
        "--drop-unknown-keys", action="store_true", help="drop and count label keys that the taxonomy lacks"
    )
    parser.set_defaults(run=_import_human)


def _import_human(options: argparse.Namespace) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.labels.sampling import read_sampled
    from vibe_photos.library.photos import read_manifest
    from vibe_photos.review import human_import

    settings = read_resolved()
    paths = settings.paths
    found = human_import.read_import(
        options.file,
        read_manifest(paths.photos),
        settings.taxonomy,
        read_sampled(paths.sample) if options.only_sampled else None,
    )
    human_import.refuse_problems(options.file, found, settings.taxonomy, options.drop_unknown_keys)
    changes = human_import.describe_changes(paths.human, found.records)
    print("\n".join(changes[:40]))
    if len(changes) > 40:
        print(f"... and {len(changes) - 40} more")
    print(f"{len(found.records)} records, {len(changes)} new or changed; {found.left_out} photos not sampled")
    for key, places in sorted(found.unknown_keys.items()):
        print(f"dropped the unknown key {key} of {len(places)} records")
    if options.write:
        print(f"written to {human_import.take_import(paths.human, found.records)}; now: dvc repro")
    elif changes:
        print("nothing is written yet: run again with --write")


def _add_replay_server(commands: Commands) -> None:
    from vibe_photos.teacher import replay_server

    parser = commands.add_parser(
        "replay-server",
        help="rehearse a night: recorded answers over HTTP",
        description="Serve recorded answers as an OpenAI-compatible server on this machine, to rehearse a "
        "run without a GPU.",
    )
    replay_server.add_arguments(parser)
    parser.set_defaults(run=replay_server.run)


def _add_compare(commands: Commands) -> None:
    parser = commands.add_parser(
        "compare",
        help="is B better than A?",
        description="Hold two sets of labels against the same truth: what moved, whether that is "
        "distinguishable from noise, and which photos changed for better or worse. A and B are commits, "
        "experiments, `workspace`, or label files.",
    )
    parser.add_argument("before", nargs="?", default="HEAD", metavar="A", help="default: %(default)s")
    parser.add_argument("after", nargs="?", default="workspace", metavar="B", help="default: %(default)s")
    parser.add_argument(
        "--truth", choices=("human", "auto"), help="whose truth (default: people's, else the teacher's)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON for programs")
    form.add_argument("--brief", action="store_true", help="print three lines")
    form.add_argument("--html", type=Path, metavar="FILE", help="write a page")
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.eval.comparison import revision_comparison, text

    settings = read_resolved()
    sides, level = (options.before, options.after), settings.evaluate.confidence_level
    found = revision_comparison.compare_revisions(*sides, options.truth, settings)
    if options.json:
        print(text.comparison_json(found, level))
    elif options.brief:
        stages = revision_comparison.list_changed_stages(*sides, settings)
        print(text.format_brief(found, stages, level))
    elif options.html:
        from vibe_photos.report.comparison_page import render_comparison

        render_comparison(found, level, revision_comparison.name_photos(settings), options.html)
        print(f"written to {options.html}")
    else:
        print(text.format_comparison(found, level, revision_comparison.name_photos(settings)))


def _add_suspects(commands: Commands) -> None:
    parser = commands.add_parser(
        "suspects",
        help="scenes that the teacher probably got wrong",
        description="List training photos of which the student, not having seen them, is confident that the "
        "teacher's scene is wrong. A list to look through: nothing is changed.",
    )
    parser.add_argument("--top", type=int, default=50, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.set_defaults(run=_suspects)


def _suspects(options: argparse.Namespace) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.eval import suspects
    from vibe_photos.eval.comparison.revision_comparison import name_photos
    from vibe_photos.heads.out_of_fold import read_out_of_fold

    settings = read_resolved()
    found = suspects.find_suspects(read_out_of_fold(settings.paths.models, "scene"))
    if options.json:
        print(suspects.suspects_json(found, options.top))
    else:
        print(suspects.format_suspects(found, options.top, name_photos(settings)))


def _add_thresholds(commands: Commands) -> None:
    parser = commands.add_parser(
        "thresholds",
        help="propose thresholds, and with --write take them",
        description="Try every threshold of every attribute and object on half of the audited photos (or, "
        "where these are too few, on the teacher's truth of the training photos), and show what the best one "
        "is worth.",
    )
    parser.add_argument(
        "--aim",
        default="f1",
        help="f1, precision=SHARE (the best recall with at least that precision) or recall=SHARE "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="write them into params.yaml; photos that chose one are then no longer scored",
    )
    parser.set_defaults(run=_thresholds)


def _thresholds(options: argparse.Namespace) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.eval.evaluate import SCORE_HALF
    from vibe_photos.eval.tuning.params_file import write_thresholds
    from vibe_photos.eval.tuning.proposals import tune_thresholds
    from vibe_photos.eval.tuning.text import format_tuning
    from vibe_photos.eval.tuning.thresholds import parse_aim

    aim = parse_aim(options.aim)
    tuning = tune_thresholds(read_resolved(), aim)
    print(format_tuning(tuning, aim))
    if not any(choice.is_new for choice in tuning.choices.values()):
        print("\nthese thresholds are in use already: there is nothing to write")
    elif options.write:
        count = write_thresholds(Path("params.yaml"), tuning)
        print(f"\n{count} thresholds written to params.yaml; now: dvc repro")
        if tuning.is_decided_by_people:
            print(f"from now on people's truth counts on one half only: {SCORE_HALF}")
    else:
        print("\nnothing is written yet: run again with --write")


def _add_predict(commands: Commands) -> None:
    parser = commands.add_parser(
        "predict",
        help="label photos with the trained heads",
        description="Say of each photo its scene, attributes and objects, as an app would with "
        "vibe_photos.classifier.Classifier.",
    )
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    parser.add_argument(
        "--models", type=Path, default=Path("models"), help="the folder with the heads (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> None:
    from vibe_photos.predictions import print_predictions

    print_predictions(options.photos, options.models, options.json)
