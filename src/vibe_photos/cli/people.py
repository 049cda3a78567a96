"""Commands about what people say of the photos."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from vibe_photos.cli.command import command, cut, flag, one_of, option, print_some
from vibe_photos.configuration import read_resolved
from vibe_photos.errors import InputError
from vibe_photos.storage.local_store import find_store


@command(
    "review",
    option("--reviewer", metavar="NAME", help="who you are; decides your log (default: git's user.name)"),
    option("--port", type=int, default=0, metavar="N", help="port on 127.0.0.1 (default: a free one)"),
    flag("--blind", "hide the student's labels, so that they do not influence you"),
    option(
        "--only",
        metavar="PHOTO",
        action="append",
        default=[],
        help="begin with this photo, by id or by its path under the library; may be repeated",
    ),
    flag("--no-browser", "only print the address"),
    flag("--status", "print the results of measuring and teaching so far, and stop"),
    uses_human_truth=True,
)
def review(
    reviewer: str | None, port: int, blind: bool, only: list[str], no_browser: bool, status: bool
) -> None:
    """Check and correct labels in the browser.

    One photo at a time, or many that have the same mistake at once. Photos of the review sample MEASURE: the
    figures about the library are computed from your answers, and these photos never train. Other photos
    TEACH, beginning with those that the teacher probably got wrong: the student learns your answers instead
    of the teacher's. Every decision is on disk before the next photo appears, in data/human/decisions/ and in
    this machine's store. The page is served to this machine only; Ctrl-C ends it.
    """
    if status:
        from vibe_photos.review.status import describe_status

        print(describe_status(read_resolved()))
        return
    from vibe_photos.review.session import check_reviewer, guess_reviewer, serve_review

    name = check_reviewer(reviewer) if reviewer is not None else guess_reviewer()
    with contextlib.suppress(KeyboardInterrupt):
        serve_review(
            read_resolved(),
            name,
            find_store(),
            port=port,
            is_blind=blind,
            opens_browser=not no_browser,
            only=only,
        )


@command("restore-decisions")
def restore_decisions() -> None:
    """Restore decisions that git or DVC replaced.

    Every decision of the review page is also kept in this machine's store. This command appends decisions
    that are missing in data/human/decisions/. Nothing is removed.
    """
    from vibe_photos.human_truth.backup import restore_lost

    paths = read_resolved().paths
    restored = restore_lost(paths.human, find_store(), paths.splits)
    for reviewer, count in restored.items():
        print(f"restored {count} decisions of {reviewer}")
    print("now: git add data/human && dvc repro" if restored else "nothing is missing")


@command(
    "import-human",
    option("file", type=Path, metavar="FILE"),
    one_of(
        flag("--sample", "measure: import only photos that stage `sample` drew"),
        option(
            "--drawn-uniformly-from",
            type=int,
            metavar="N",
            help="measure: the photos were drawn at random with equal probability from N photos",
        ),
        flag("--teach", "teach: the photos were chosen, and may train"),
    ),
    flag("--write", "write the changes (default: only show them)"),
    flag("--drop-unknown-keys", "leave out labels that the taxonomy does not have, and count them"),
    uses_human_truth=True,
)
def import_human(
    file: Path,
    sample: bool,
    drawn_uniformly_from: int | None,
    teach: bool,
    write: bool,
    drop_unknown_keys: bool,
) -> None:
    """Import labels that people already made, to measure or to teach.

    FILE is a JSON list or JSON Lines; each record names its photo by image_id or rel_path. The command checks
    it and shows what it would change in data/human/; with --write it writes the changes. Say how the photos
    were chosen, because figures about the library use only photos drawn at random. Without --sample,
    --drawn-uniformly-from or --teach they are your own set: never trained on, and reported separately.
    """
    from vibe_photos.human_truth.sample import read_sampled
    from vibe_photos.records.photos import read_manifest
    from vibe_photos.records.splits import read_current_ids
    from vibe_photos.review import human_import
    from vibe_photos.review.draw_record import record_draw, record_uniform

    settings = read_resolved()
    paths = settings.paths
    photos = read_manifest(paths.photos)
    sampled = read_sampled(paths.sample) if sample else None
    current_ids = read_current_ids(paths.splits)
    found = human_import.read_import(file, photos, settings.taxonomy, sampled, current_ids)
    if other_ids := human_import.describe_other_ids(photos, found):
        raise InputError(f"nothing was imported from {file}: {other_ids}")
    human_import.refuse_problems(file, found, settings.taxonomy, drop_unknown_keys)
    describe = human_import.describe_teaching if teach else human_import.describe_changes
    changes = describe(paths.human, found.records, settings.taxonomy, current_ids)
    print_some(list(changes.values()))
    print(f"{len(found.records)} records, {len(changes)} new or changed; {found.left_out} photos not sampled")
    if found.unchecked:
        print(f"left out, because nobody has checked them: {found.unchecked} records")
    for key, places in sorted(found.unknown_keys.items()):
        print(f"dropped the unknown key {key} of {len(places)} records")
    if not write:
        if changes:
            print("nothing is written yet: run again with --write")
        return
    if teach:
        taught = {image_id: found.records[image_id] for image_id in changes}
        print(f"written to {human_import.append_teaching(paths.human, find_store(), taught)}")
    else:
        print(f"written to {human_import.apply_import(paths.human, found.records, current_ids)}")
    draw = record_draw(settings) if sample else None
    if drawn_uniformly_from is not None:
        draw = record_uniform(paths.human, list(found.records))
        if drawn_uniformly_from != len(photos):
            print(f"the library has {len(photos)} photos: the figures are about these")
    if draw:
        print(f"how they were drawn is in {draw}")
    print("now: dvc repro")


@command(
    "label-studio export",
    option("folder", type=Path, metavar="FOLDER"),
    flag("--teach", "photos that teach, most useful first (default: the review sample, to measure)"),
    flag("--all", "also photos that people already checked"),
    option(
        "--prefix",
        metavar="ADDRESS",
        help="the address of the photo folder; a photo's path is appended (default: for local files, with "
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to its parent folder)",
    ),
    uses_human_truth=True,
)
def export_tasks(folder: Path, teach: bool, all: bool, prefix: str | None) -> None:
    """Write tasks.json and labeling_config.xml for Label Studio into a folder."""
    from vibe_photos.label_studio.interface import Interface
    from vibe_photos.label_studio.tasks import local_prefix, select_photos, write_project

    settings = read_resolved()
    selection = select_photos(settings, all, "teach" if teach else "measure")
    address = prefix or local_prefix(Path(settings.library.root))
    write_project(folder, selection.photos, Interface(settings.taxonomy), settings.teacher.model, address)
    print(
        f"{len(selection.photos)} tasks written to {folder}; of the others that are asked about "
        f"{selection.audited} are already checked and {selection.gone} no longer in the library"
    )


@command(
    "label-studio import",
    option("file", type=Path, metavar="FILE"),
    flag("--write", "write the changes (default: only show them)"),
    option(
        "--reviewer",
        action="append",
        default=[],
        metavar="ID=NAME",
        help="the reviewer name for the user with this id or e-mail (default: label-studio-ID)",
    ),
    uses_human_truth=True,
)
def import_tasks(file: Path, write: bool, reviewer: list[str]) -> None:
    """Import the file that Label Studio exports (in its format JSON)."""
    from vibe_photos.label_studio.annotations import find_differences, read_annotations
    from vibe_photos.label_studio.interface import Interface
    from vibe_photos.records.photos import read_manifest
    from vibe_photos.review.decisions import append_lines
    from vibe_photos.review.draw_record import record_draw

    settings = read_resolved()
    human, photos = settings.paths.human, read_manifest(settings.paths.photos)
    found = read_annotations(file, photos, Interface(settings.taxonomy), human, _read_names(reviewer))
    if found.problems:
        raise InputError(f"nothing was imported from {file}:\n  " + "\n  ".join(cut(found.problems)))
    differences = find_differences(human, settings.taxonomy, found.lines)
    print_some(differences.changes)
    print_some(differences.disagreements, "disagreement: ")
    print_some(differences.unchanged_by_later, "no change: ")
    counts = found.counts
    print(
        f"{counts['tasks']} tasks, {counts['unlabelled']} not labelled; {counts['annotations']} new "
        f"annotations and {counts['skips']} new skips by {len(found.lines)} people, {counts['known']} known "
        f"already; the truth of {len(differences.changes)} photos is new or changed"
    )
    if not found.lines:
        print("there is nothing to write")
    elif write:
        if any(line.purpose == "measure" for lines in found.lines.values() for line in lines):
            record_draw(settings)
        logs = append_lines(human, find_store(), found.lines)
        print(f"written to {', '.join(map(str, logs))}; now: dvc repro")
    else:
        print("nothing is written yet: run again with --write")


def _read_names(pairs: Sequence[str]) -> dict[str, str]:
    names = dict(pair.partition("=")[::2] for pair in pairs)
    if not all(names) or not all(names.values()):
        raise InputError("--reviewer takes ID=NAME, as in --reviewer 3=ada")
    return names
