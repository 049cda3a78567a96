"""Correct labels in Label Studio: tasks out, annotations in.

Write the photos to review as Label Studio tasks, with the teacher's labels as predictions, and import its
JSON export as decisions.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

_MOST_SHOWN = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos label-studio export` and `import`."""
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    export = actions.add_parser("export", help="write tasks.json and labeling_config.xml")
    export.set_defaults(action=_export)
    export.add_argument("folder", type=Path, metavar="FOLDER")
    export.add_argument(
        "--teach",
        action="store_true",
        help="photos that teach, most useful first (default: the sample)",
    )
    export.add_argument("--all", action="store_true", help="also photos that are already audited")
    export.add_argument(
        "--prefix",
        help="the address of the photo folder; a photo's path is appended (default: for local files, "
        "with LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to its parent folder)",
    )
    imported = actions.add_parser("import", help="import Label Studio's export (its format JSON)")
    imported.set_defaults(action=_import)
    imported.add_argument("file", type=Path, metavar="FILE")
    imported.add_argument("--write", action="store_true", help="write the changes (default: only show them)")
    imported.add_argument(
        "--reviewer",
        action="append",
        default=[],
        metavar="ID=NAME",
        help="the reviewer name for the user with this id or e-mail (default: label-studio-ID)",
    )


def run(options: argparse.Namespace) -> None:
    """Run the action."""
    options.action(options)


def _export(options: argparse.Namespace) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.label_studio.interface import Interface
    from vibe_photos.label_studio.tasks import local_prefix, select_photos, write_project

    settings = read_resolved()
    selection = select_photos(settings, options.all, "teach" if options.teach else "measure")
    interface = Interface(settings.taxonomy)
    prefix = options.prefix or local_prefix(Path(settings.library.root))
    write_project(options.folder, selection.photos, interface, settings.teacher.model, prefix)
    print(
        f"{len(selection.photos)} tasks written to {options.folder}; of the others that are asked about "
        f"{selection.audited} are audited already and {selection.gone} no longer in the library"
    )


def _import(options: argparse.Namespace) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.errors import InputError
    from vibe_photos.label_studio.annotations import find_differences, read_annotations
    from vibe_photos.label_studio.interface import Interface
    from vibe_photos.records.photos import read_manifest
    from vibe_photos.review.decisions import append_lines
    from vibe_photos.review.draw_record import record_draw
    from vibe_photos.storage.local_store import find_store

    settings = read_resolved()
    human = settings.paths.human
    found = read_annotations(
        options.file,
        read_manifest(settings.paths.photos),
        Interface(settings.taxonomy),
        human,
        _read_names(options.reviewer),
    )
    if found.problems:
        raise InputError(f"nothing was imported from {options.file}:\n  " + "\n  ".join(_cut(found.problems)))
    differences = find_differences(human, settings.taxonomy, found.lines)
    _print_lines("", differences.changes)
    _print_lines("disagreement: ", differences.disagreements)
    _print_lines("no change: ", differences.unchanged_by_later)
    counts = found.counts
    print(
        f"{counts['tasks']} tasks, {counts['unlabelled']} not labelled; {counts['annotations']} new "
        f"annotations and {counts['skips']} new skips by {len(found.lines)} people, {counts['known']} known "
        f"already; the truth of {len(differences.changes)} photos is new or changed"
    )
    if not found.lines:
        print("there is nothing to write")
    elif options.write:
        if any(line.purpose == "measure" for lines in found.lines.values() for line in lines):
            record_draw(settings)
        logs = append_lines(human, find_store(), found.lines)
        print(f"written to {', '.join(map(str, logs))}; now: dvc repro")
    else:
        print("nothing is written yet: run again with --write")


def _read_names(pairs: Sequence[str]) -> dict[str, str]:
    from vibe_photos.errors import InputError

    names = dict(pair.partition("=")[::2] for pair in pairs)
    if not all(names) or not all(names.values()):
        raise InputError("--reviewer takes ID=NAME, as in --reviewer 3=ada")
    return names


def _print_lines(start: str, lines: Sequence[str]) -> None:
    for line in _cut(lines):
        print(f"{start}{line}")


def _cut(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _MOST_SHOWN
    return [*lines[:_MOST_SHOWN], *([f"... and {more} more"] if more > 0 else [])]
