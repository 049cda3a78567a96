"""Commands about how good the labels are, and how to make them better."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vibe_photos.cli.command import command, flag, one_of, option
from vibe_photos.configuration import read_resolved
from vibe_photos.errors import InputError
from vibe_photos.records.taxonomy import (
    HEADS,
    all_keys,
    describe_unknown_key,
    label_name,
    show_name,
    shown_names,
)
from vibe_photos.settings import Taxonomy, TruthName

if TYPE_CHECKING:
    from vibe_photos.statistics.suspects import Suspicion

_WRITE_PROPOSALS = flag(
    "--write", "write the proposals into params.yaml; the half used for tuning is then no longer scored"
)


@command(
    "compare",
    option("before", nargs="?", default="HEAD", metavar="A", help="the labels before (default: %(default)s)"),
    option("after", nargs="?", default="workspace", metavar="B", help="and after (default: %(default)s)"),
    option("--truth", choices=("human", "auto"), help="people's or the teacher's (default: people's if any)"),
    flag(
        "--compute",
        "fetch labels of a commit that are not on this machine, or run `dvc repro` for them in a temporary "
        "git worktree (with the same store: the teacher is asked only about photos it has not answered)",
    ),
    one_of(
        flag("--json", "print JSON for programs"),
        flag("--brief", "print the short form: no tables, no photos"),
        option("--html", type=Path, metavar="FILE", help="write a page with the photos that changed"),
    ),
    uses_human_truth=True,
)
def compare(
    before: str,
    after: str,
    truth: TruthName | None,
    compute: bool,
    json: bool,
    brief: bool,
    html: Path | None,
) -> None:
    """Find out whether labels B are better than labels A.

    Both are measured against the same truth, on photos that neither has learned from: which labels changed,
    whether more or fewer are wrong than chance explains, how small a change these photos could show, and
    which photos changed for better or worse. A and B are commits, experiments, `workspace`, or label files
    (taken to be made with the workspace's splits).
    """
    from vibe_photos.compare import revisions, text
    from vibe_photos.lineage import changed_stages

    settings = read_resolved()
    first, second = (revisions.find_revision(name, settings.paths, compute) for name in (before, after))
    found = revisions.compare_revisions(first, second, truth, settings)
    if json:
        print(text.comparison_json(found))
    elif brief:
        print(text.format_brief(found, changed_stages(first.lock, second.lock)))
    elif html:
        text.render_page(found, revisions.name_photos(settings), html)
        print(f"written to {html}")
    else:
        print(text.format_comparison(found, revisions.name_photos(settings)))


@command(
    "calibrate",
    _WRITE_PROPOSALS,
    uses_human_truth=True,
)
def calibrate(write: bool) -> None:
    """Propose temperatures that make probabilities mean what they say, and with --write use them.

    A temperature is one number for all scenes, all attributes or all objects. It divides the logits of their
    probabilities. It is fitted on half of the photos that people measured, and proposed if the log loss is
    lower in cross-validation. No label changes, because thresholds move with it. Tune thresholds afterwards.
    """
    from vibe_photos.thresholds.temperature import propose_temperatures
    from vibe_photos.thresholds.text import format_temperatures

    settings = read_resolved()
    found = propose_temperatures(settings)
    print(format_temperatures(found))
    _write_proposals(found.list_changes(settings.classify), write)


@command(
    "thresholds",
    option(
        "--aim",
        default="f1",
        help="f1, precision=SHARE (the best recall with at least that precision) or recall=SHARE "
        "(default: %(default)s)",
    ),
    _WRITE_PROPOSALS,
    uses_human_truth=True,
)
def thresholds(aim: str, write: bool) -> None:
    """Propose thresholds, and with --write use them.

    Every threshold of every attribute and object is tried on half of the photos that people measured. The
    best one is proposed if it improves the figures in cross-validation, and the share of the library that
    would get the label agrees with people's labels (with --aim precision it may be smaller, with --aim recall
    larger).
    """
    from vibe_photos.thresholds.proposals import tune_thresholds
    from vibe_photos.thresholds.sweep import parse_aim
    from vibe_photos.thresholds.text import format_tuning

    goal = parse_aim(aim)
    tuning = tune_thresholds(read_resolved(), goal)
    print(format_tuning(tuning, goal))
    _write_proposals(tuning.list_changes(), write)


def _write_proposals(changes: Mapping[str, Mapping[str, float]], write: bool) -> None:
    """Write new numbers into `params.yaml` if `write`, and print what was written or what to do."""
    from vibe_photos.statistics.summary import SCORE_HALF
    from vibe_photos.thresholds.params_file import write_changes

    if not any(changes.values()):
        print("\nthere is no proposal, and nothing to write")
    elif write:
        write_changes(Path("params.yaml"), changes)
        counts = ", ".join(f"{len(values)} in {section}" for section, values in changes.items() if values)
        print(f"\nwritten to params.yaml under classify: {counts}; now: dvc repro")
        print(f"from now on figures use only one half of people's truth: {SCORE_HALF}")
    else:
        print("\nnothing is written yet: run again with --write")


@command(
    "try-encoders",
    option(
        "candidates", nargs="+", metavar="ENCODER", help="a file of conf/embedder: hog, 'onnx pooling=max'"
    ),
    option("--photos", type=int, default=400, metavar="N", help="on how many photos (default: %(default)s)"),
    option(
        "--layers",
        type=int,
        default=0,
        metavar="N",
        help="also try the last N feature maps of ONNX encoders, and the two best of them joined",
    ),
)
def try_encoders(candidates: list[str], photos: int, layers: int) -> None:
    """Try encoders, or layers of an ONNX encoder, on a part of the training photos.

    The table shows how good a student is that learns from it, on photos that it was not fitted to. Nothing in
    the project changes; the vectors are kept for `dvc repro`.
    """
    from vibe_photos.encoder_trial import trial
    from vibe_photos.storage.local_store import find_store

    wanted = [trial.read_candidate(candidate, Path("conf")) for candidate in candidates]
    trial_photos = trial.Trial(read_resolved(), find_store(), photos)
    print(f"{len(trial_photos.photos)} training photos, judged out of fold against their training labels\n")
    print(trial.format_header())
    outcomes = []
    for outcome in trial.try_encoders(trial_photos, wanted, layers):
        outcomes.append(outcome)
        print(trial.format_outcome(outcome), flush=True)
    print(f"\n{trial.describe_best(outcomes)}")


@command(
    "suspects",
    option(
        "--label",
        action="append",
        default=[],
        metavar="NAME",
        help="only this label, by name, key or short name (Person, attr.has_person ...); may be repeated",
    ),
    option("--top", type=int, default=20, metavar="N", help="how many per head (default: %(default)s)"),
    flag("--json", "print JSON for programs"),
)
def suspects(label: list[str], top: int, json: bool) -> None:
    """List labels that the teacher probably got wrong.

    A student that was fitted without the photo is confident that the teacher's scene, attribute or object is
    wrong. Only training photos are examined; nothing is changed.
    """
    from vibe_photos.compare.revisions import name_photos
    from vibe_photos.heads.out_of_fold import read_out_of_fold
    from vibe_photos.statistics.suspects import find_suspects

    settings = read_resolved()
    found = [find_suspects(read_out_of_fold(settings.paths.models, head), head) for head in HEADS]
    if label:
        found = keep_labels(found, label, settings.taxonomy)
    if json:
        print(suspects_json(found, top))
    else:
        names = name_photos(settings)
        print("\n\n".join(format_suspicion(one, top, names, settings.taxonomy) for one in found))


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
    head = f"{found.head.upper()}S: {count} among the training photos"
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
