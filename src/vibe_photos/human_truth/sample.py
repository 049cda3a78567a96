"""The measured sample: which human records represent the library, and how many photos each represents.

In each stratum, photos are shown in the order of their permanent random numbers. Judged photos count up to
the first that was never shown; a photo that was shown and skipped is non-response; photos judged beyond that
wait. So the counted photos are a simple random sample of their stratum (permanent random numbers: Ohlsson
1995), and each represents N / m photos: N in the stratum, m counted.

If the teacher was asked about a part of the library, N counts the stratum's photos in this part; each also
represents its share of the photos that were not asked about (`statistics.design`).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from vibe_photos.errors import InputError
from vibe_photos.human_truth.draws import (
    NO_SCENE,
    NOT_ASKED,
    WHOLE_LIBRARY,
    find_uniformly_drawn,
    read_draws,
    split_name,
)
from vibe_photos.human_truth.labels import HumanTruth, read_human_truth
from vibe_photos.records.ground_truth import GroundTruth, read_objects
from vibe_photos.records.photos import say_count
from vibe_photos.records.splits import Membership, find_current_ids
from vibe_photos.settings import Taxonomy

NOT_DRAWN = "not in a draw yet"
"""The stratum of photos that were added after the recorded draws."""

DESIGN_FIELDS = ("stratum", "stratum_photos", "stratum_rank", "inclusion_probability")
"""How a photo was drawn, in a record of `to_review.json`: its stratum, the stratum's size, its rank in the
stratum (from 1), and the probability that the sample contains it."""

ASKED_SHARE = "asked_share"
"""One more such field, if the teacher was not asked about all photos of the draw: about which share."""


class StatedDesign(msgspec.Struct, frozen=True):
    """How a photo was drawn, according to its record; used if no draw is recorded.

    Records of older samples lack size and rank; then their probability is used.
    """

    inclusion_probability: Annotated[float, Meta(gt=0.0, le=1.0)]
    stratum: str = ""
    stratum_photos: Annotated[int, Meta(ge=1)] | None = None
    stratum_rank: Annotated[int, Meta(ge=1)] | None = None
    asked_share: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0


@dataclass(slots=True)
class StratumCount:
    """Counts of one stratum: its photos, those counted, those shown and skipped, and judged ones that wait.

    `asked_share` is the share of the draw's photos that the teacher was asked about; `photos` are of these.
    If thresholds were tuned on the other half, `counted` and `skipped` are of this half only.
    """

    photos: int = 0
    counted: int = 0
    skipped: int = 0
    waiting: int = 0
    asked_share: float = 1.0

    @property
    def stands_for(self) -> int:
        """How many photos of the library it stands for, about."""
        return round(self.photos / self.asked_share)


@dataclass(slots=True)
class MeasuredSample:
    """The human records about the library's photos.

    Attributes:
        records: those that represent the library, sorted by `image_id`; `extra` has each one's `stratum` and
            `inclusion_probability` (m / N).
        own_set: records of photos in no draw (picked by hand, a test set): in no figure about the library.
        waiting: ids judged beyond a photo that was never shown; they count once those before them are shown.
        strata: the counts of each stratum, by name.
        not_in_library: how many records are of photos that are not in the library.
        left_out: how many records are of the other half, on which thresholds were tuned.
        about: which library the figures describe.
    """

    records: list[GroundTruth] = field(default_factory=list)
    own_set: list[GroundTruth] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    strata: dict[str, StratumCount] = field(default_factory=dict)
    not_in_library: int = 0
    left_out: int = 0
    about: str = "the library of today"

    @property
    def speaks_for(self) -> int:
        """How many photos the figures about the library represent."""
        return round(sum(one.photos / one.asked_share for one in self.strata.values() if one.counted))

    @property
    def skipped(self) -> int:
        """How many photos were shown and skipped."""
        return sum(one.skipped for one in self.strata.values())

    @property
    def unmeasured_strata(self) -> dict[str, int]:
        """Sizes of the strata in which no photo counts yet: the figures do not cover them."""
        return {name: one.stands_for for name, one in sorted(self.strata.items()) if not one.counted}


def read_sampled(to_review: Path) -> dict[str, dict[str, Any]]:
    """Return the records of `to_review.json` by image_id, in their order."""
    return {str(value["image_id"]): value for _, value in read_objects(to_review)}


def read_measured_sample(
    human: Path, taxonomy: Taxonomy, memberships: Mapping[str, Membership], half: str | None = None
) -> MeasuredSample:
    """Read people's measurements in `human` and weight them; with `half`, only photos of that half count.

    Raises:
        InputError: a record is malformed, given twice, has an unknown label key or an impossible design.
    """
    current_ids, draws = find_current_ids(memberships), read_draws(human)
    truth = read_human_truth(human, current_ids).fit(taxonomy, human)
    if not draws:
        return weigh_stated(list(truth.measured.values()), memberships, half)
    uniform = find_uniformly_drawn(draws, list(truth.measured), current_ids)
    return weigh_drawn(truth, memberships, uniform, half)


def weigh_drawn(
    truth: HumanTruth, memberships: Mapping[str, Membership], uniform: set[str], half: str | None = None
) -> MeasuredSample:
    """Weight records by the recorded draws.

    `uniform` are photos that were drawn uniformly at random elsewhere. In each stratum they are also a simple
    random sample, and so is their union with the photos that count by their numbers.
    """
    sample = MeasuredSample(not_in_library=len(truth.measured.keys() - memberships.keys()))
    in_order: dict[str, list[tuple[float, str]]] = defaultdict(list)
    drawn_at_all = {one.stratum for one in memberships.values()} - {None}
    rest = NOT_DRAWN if drawn_at_all else WHOLE_LIBRARY
    for image_id, one in memberships.items():
        in_order[one.stratum or rest].append((one.number, image_id))
    judged = truth.measured.keys() & memberships.keys()
    shown = judged | truth.skipped.keys()
    asked_share = find_asked_shares({name: len(photos) for name, photos in in_order.items()})
    for name in [one for one in in_order if split_name(one)[0] == NOT_ASKED and asked_share[one]]:
        sample.waiting += [i for _, i in in_order.pop(name) if i in judged]
    for name, photos in in_order.items():
        ids = [image_id for _, image_id in sorted(photos)]
        is_drawn = name in drawn_at_all
        reach = next((place for place, i in enumerate(ids) if i not in shown), len(ids)) if is_drawn else 0
        counts = [i for place, i in enumerate(ids) if i in judged and (place < reach or i in uniform)]
        late = [i for i in ids[reach:] if i in judged and i not in uniform]
        if is_drawn:
            sample.waiting += late
        else:
            sample.own_set += [truth.measured[i] for i in late]
        skipped = sum(i not in judged and (half is None or memberships[i].half == half) for i in ids[:reach])
        stratum = StratumCount(
            len(ids), skipped=skipped, waiting=len(late) * is_drawn, asked_share=asked_share[name] or 1.0
        )
        _add_stratum(sample, name, stratum, [truth.measured[i] for i in counts], memberships, half)
    if later := sample.unmeasured_strata.get(NOT_DRAWN, 0):
        sample.about = f"the library of today without the {say_count(later)} that came after the last draw"
    sample.records.sort(key=lambda record: record.image_id)
    return sample


def weigh_stated(
    records: Sequence[GroundTruth], memberships: Mapping[str, Membership], half: str | None = None
) -> MeasuredSample:
    """Weight records by their own fields about the draw (`DESIGN_FIELDS`).

    If records of one stratum state different sizes, they were drawn from different libraries: those with the
    largest size count, the others wait.

    Raises:
        InputError: a record's design is impossible.
    """
    known = [record for record in records if not memberships or record.image_id in memberships]
    sample = MeasuredSample(
        not_in_library=len(records) - len(known), about="the library as it was when the sample was drawn"
    )
    by_stratum: dict[str, list[tuple[StatedDesign, GroundTruth]]] = defaultdict(list)
    for record in known:
        design = read_stated_design(record)
        if design is None:
            sample.own_set.append(record)
        else:
            by_stratum[design.stratum].append((design, record))
    for name, drawn in sorted(by_stratum.items()):
        size = max(design.stratum_photos or 0 for design, _ in drawn)
        current = [(d, r) for d, r in drawn if (d.stratum_photos or 0) == size]
        sample.waiting += [r.image_id for d, r in drawn if (d.stratum_photos or 0) != size]
        ranks = {design.stratum_rank for design, _ in current}
        stratum, counts = StratumCount(0, asked_share=current[0][0].asked_share), [r for _, r in current]
        if size and None not in ranks:
            reach = next(rank for rank in range(1, len(current) + 2) if rank not in ranks)
            counts = [record for design, record in current if (design.stratum_rank or 0) < reach]
            late = [record.image_id for design, record in current if (design.stratum_rank or 0) > reach]
            sample.waiting += late
            stratum.photos, stratum.waiting = size, len(late)
        _add_stratum(sample, name, stratum, counts, memberships, half)
    sample.records.sort(key=lambda record: record.image_id)
    return sample


def weigh_untrained(answers: Sequence[GroundTruth], memberships: Mapping[str, Membership]) -> MeasuredSample:
    """Weight the teacher's records of photos that never trained.

    These are the photos with the lowest permanent numbers of each stratum (the recorded one, else the
    teacher's scene), up to the first that trains: a simple random sample of the stratum's answered photos.
    """
    sample = MeasuredSample(
        not_in_library=sum(one.image_id not in memberships for one in answers),
        about="the photos of today's library that the teacher answered",
    )
    strata: dict[str, list[GroundTruth]] = defaultdict(list)
    for record in answers:
        if record.image_id in memberships:
            recorded = memberships[record.image_id].stratum
            if not recorded or split_name(recorded)[0] == NOT_ASKED:
                recorded = (record.scene or [NO_SCENE])[0]
            strata[recorded].append(record)
    for name, records in sorted(strata.items()):
        records.sort(key=lambda record: memberships[record.image_id].number)
        trains = [memberships[record.image_id].role == "train" for record in records]
        reach = trains.index(True) if True in trains else len(records)
        _add_stratum(sample, name, StratumCount(len(records)), records[:reach], memberships, None)
    sample.records.sort(key=lambda record: record.image_id)
    return sample


def read_stated_design(record: GroundTruth) -> StatedDesign | None:
    """Return a record's fields about the draw, None if it has none.

    Raises:
        InputError: a field of the design is impossible; the photo is named.
    """
    if "inclusion_probability" not in record.extra:
        return None
    stated = {name: record.extra[name] for name in (*DESIGN_FIELDS, ASKED_SHARE) if name in record.extra}
    try:
        return msgspec.convert(stated, StatedDesign)
    except msgspec.ValidationError as error:
        name = str(error).rpartition("$.")[2].rstrip("`")
        raise InputError(
            f"photo {record.image_id}: {name} is {stated.get(name)!r}, which is impossible; copy "
            f"{', '.join(DESIGN_FIELDS)} unchanged from to_review.json, or leave them out"
        ) from None


def _add_stratum(
    sample: MeasuredSample,
    name: str,
    stratum: StratumCount,
    records: Sequence[GroundTruth],
    memberships: Mapping[str, Membership],
    half: str | None,
) -> None:
    """Add a stratum, and those of its `records` that are of the wanted half, with their probability.

    Where the stratum's size is not known, a record's own probability counts.
    """
    kept = [one for one in records if half is None or memberships[one.image_id].half == half]
    sample.left_out += len(records) - len(kept)
    sample.strata[name], stratum.counted = stratum, len(kept)
    for record in kept:
        if stratum.photos:
            probability = len(kept) / stratum.photos * stratum.asked_share
        else:
            probability = record.extra["inclusion_probability"] * (len(kept) / len(records))
        design = {"stratum": name, "inclusion_probability": probability}
        if stratum.asked_share < 1.0:
            design[ASKED_SHARE] = stratum.asked_share
        others = {k: v for k, v in record.extra.items() if k not in (*DESIGN_FIELDS, ASKED_SHARE)}
        sample.records.append(msgspec.structs.replace(record, extra=others | design))


def find_asked_shares(photos: Mapping[str, int]) -> dict[str, float]:
    """Return the share of its draw's photos that the teacher was asked about, for each stratum.

    `photos` has the number of photos of each stratum, and of `NOT_ASKED` of each draw.
    """
    draw_of = {name: name if name == NOT_DRAWN else split_name(name)[1] for name in photos}
    asked: Counter[str | int] = Counter()
    everyone: Counter[str | int] = Counter()
    for name, count in photos.items():
        everyone[draw_of[name]] += count
        asked[draw_of[name]] += count * (split_name(name)[0] != NOT_ASKED)
    return {name: asked[draw] / everyone[draw] for name, draw in draw_of.items()}
