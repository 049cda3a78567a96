"""Labels that the teacher probably got wrong.

List training photos for which the student is confident, out of fold, that the teacher's scene, attribute or
object is wrong. Nothing is changed.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.records.taxonomy import (
    HEADS,
    all_keys,
    describe_unknown_key,
    label_name,
    show_name,
    shown_names,
)
from vibe_photos.settings import Taxonomy

if TYPE_CHECKING:
    from vibe_photos.statistics.suspects import Suspicion


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos suspects`."""
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME",
        help="only this label, by name, key or short name (Person, attr.has_person ...); may be repeated",
    )
    parser.add_argument(
        "--top", type=int, default=20, metavar="N", help="how many per head (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.compare.revisions import name_photos
    from vibe_photos.configuration import read_resolved
    from vibe_photos.heads.out_of_fold import read_out_of_fold
    from vibe_photos.statistics.suspects import find_suspects

    settings = read_resolved()
    found = [find_suspects(read_out_of_fold(settings.paths.models, head), head) for head in HEADS]
    if options.label:
        found = keep_labels(found, options.label, settings.taxonomy)
    if options.json:
        print(suspects_json(found, options.top))
    else:
        names = name_photos(settings)
        print("\n\n".join(format_suspicion(one, options.top, names, settings.taxonomy) for one in found))


def keep_labels(
    suspicions: Sequence["Suspicion"], names: Sequence[str], taxonomy: Taxonomy
) -> list["Suspicion"]:
    """Return the suspects of some labels, by name, key or short name.

    Raises:
        InputError: the taxonomy has no label of that name.
    """
    wanted: set[str] = set()
    for name in names:
        found = {
            key for key in all_keys(taxonomy) if name in (key, label_name(key), show_name(key, taxonomy))
        }
        if not found:
            raise InputError(describe_unknown_key(name, taxonomy))
        wanted |= found
    return [
        replace(
            suspicion,
            suspects=[suspect for suspect in suspicion.suspects if wanted & set(suspect.keys)],
            not_examined=[key for key in suspicion.not_examined if key in wanted],
        )
        for suspicion in suspicions
    ]


def format_suspicion(found: "Suspicion", top: int, names: Mapping[str, str], taxonomy: Taxonomy) -> str:
    """Return a head's first suspects for a terminal; `names` has photos' paths by id."""
    shown = shown_names(taxonomy, found.head)
    lines = [
        f"{rank:>3}  {names.get(suspect.image_id, suspect.image_id)}: "
        f"teacher {shown.get(suspect.teacher, suspect.teacher)} ({suspect.teacher_probability:.2f}), "
        f"student {shown.get(suspect.student, suspect.student)} ({suspect.student_probability:.2f})"
        for rank, suspect in enumerate(found.suspects[:top], start=1)
    ]
    more = len(found.suspects) - len(lines)
    count = f"{len(found.suspects)} suspected" if found.suspects else "nothing suspected"
    head = f"{found.head.upper()}S: {count} among the photos that trained"
    unknown = ", ".join(show_name(key, taxonomy) for key in found.not_examined)
    return "\n".join(
        [
            f"{head}, the least likely first:" if lines else head,
            *lines,
            *([f"     and {more} more"] if more else []),
            *([f"not examined, too few photos for the head: {unknown}"] if unknown else []),
        ]
    )


def suspects_json(suspicions: Sequence["Suspicion"], top: int) -> str:
    """Return each head's first suspects as one indented JSON list, probabilities rounded to 4 decimals."""
    listed = [
        {
            "image_id": suspect.image_id,
            "head": suspect.head,
            "labels": suspect.keys,
            "teacher": suspect.teacher,
            "student": suspect.student,
            "teacher_probability": round(suspect.teacher_probability, 4),
            "student_probability": round(suspect.student_probability, 4),
        }
        for found in suspicions
        for suspect in found.suspects[:top]
    ]
    return msgspec.json.format(msgspec.json.encode(listed), indent=2).decode()
