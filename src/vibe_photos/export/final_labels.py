"""`vibe-photos export labels`: every photo's final labels as one table, with who gave each label."""

import csv
import io
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from vibe_photos.errors import InputError
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.records.ground_truth import ALL_LABELS, fit_keys, judged_labels, read_truth_file
from vibe_photos.records.label_tables import LabelTable, read_labels
from vibe_photos.records.photos import read_manifest, say_count
from vibe_photos.records.splits import read_current_ids
from vibe_photos.records.taxonomy import HEADS, head_keys, show_name
from vibe_photos.settings import Settings
from vibe_photos.storage.files import open_atomically

log = logging.getLogger(__name__)

_ROWS_AT_A_TIME = 100_000


class LabelRow(NamedTuple):
    """One label of one photo.

    `value` says whether the photo has the label. `probability` that it has it, 0 to 1, is the student's; a
    person's or the teacher's label has none. `source` is who said `value`: `person`, `teacher`, or of the
    student `head`, `rule` (the scene decides an attribute) or `prompt` (text, for labels without a head).
    """

    image_id: str
    rel_path: str
    label_key: str
    label_name: str
    value: bool
    probability: float | None
    source: str


def export_labels(settings: Settings, path: Path) -> Counter[str]:
    """Write the final labels of all photos of the manifest, as CSV or Parquet by the ending of `path`.

    A person's label counts before the student's, and the scene that they gave decides the attributes that
    follow it by rule. The teacher's counts where the student judges nothing: a label without a head or
    prompt, a photo without a vector. False labels are rows too.

    Returns the number of rows by source.

    Raises:
        InputError: another ending, a file of the last `dvc repro` is missing, or pyarrow is, for Parquet.
    """
    writers = {".csv": _write_csv, ".parquet": _write_parquet}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise InputError(f"{path} must end in {' or '.join(writers)}, which says what to write")
    sources: Counter[str] = Counter()

    def count(rows: Iterable[LabelRow]) -> Iterator[LabelRow]:
        for row in rows:
            sources[row.source] += 1
            yield row

    with open_atomically(path) as file:
        write(file, count(_find_final(settings)))
    return sources


def _find_final(settings: Settings) -> Iterator[LabelRow]:
    paths, taxonomy = settings.paths, settings.taxonomy
    keys = {head: head_keys(taxonomy, head) for head in HEADS}
    rules, auto = settings.classify.attribute_from_scene, paths.auto / ALL_LABELS
    teacher = {one.image_id: one for one in fit_keys(read_truth_file(auto), taxonomy, auto)}
    people = (
        read_human_truth(paths.human, read_current_ids(paths.splits)).fit(taxonomy, paths.human).everything
    )
    student = read_labels(paths.labels)
    row_of = {image_id: row for row, image_id in enumerate(student.image_ids)}
    photos = read_manifest(paths.photos)
    if gone := people.keys() - {photo.image_id for photo in photos}:
        log.warning("people's labels of %s that are not in the library are left out", say_count(len(gone)))
    for photo in photos:
        row = row_of.get(photo.image_id)
        labels = {} if row is None else _read_student(student, row)
        if record := teacher.get(photo.image_id):
            said = judged_labels(record, keys, rules)
            if not labels.keys().isdisjoint(keys["scene"]):
                said = {key: value for key, value in said.items() if key not in keys["scene"]}
            labels = {key: (value, None, "teacher") for key, value in said.items()} | labels
        if record := people.get(photo.image_id):
            said = judged_labels(record, keys, rules)
            labels |= {key: (value, None, "person") for key, value in said.items()}
        for key, label in sorted(labels.items()):
            yield LabelRow(photo.image_id, photo.rel_path, key, show_name(key, taxonomy), *label)


def _read_student(table: LabelTable, row: int) -> dict[str, tuple[bool, float | None, str]]:
    values, scores = table.value[row].tolist(), table.score[row].tolist()
    return {
        key: (value == 1, score, table.source[key])
        for key, value, score in zip(table.keys, values, scores, strict=True)
        if value >= 0
    }


def _write_csv(file: BinaryIO, rows: Iterable[LabelRow]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(LabelRow._fields)
    table.writerows((*row[:4], "true" if row.value else "false", *row[5:]) for row in rows)
    text.detach()


def _write_parquet(file: BinaryIO, rows: Iterable[LabelRow]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            f"Parquet needs pyarrow ({error}): install vibe-photos[parquet], or write CSV"
        ) from None
    text = pyarrow.string()
    types = [text, text, text, text, pyarrow.bool_(), pyarrow.float64(), text]
    schema = pyarrow.schema(list(zip(LabelRow._fields, types, strict=True)))
    rows = iter(rows)
    with pyarrow.parquet.ParquetWriter(file, schema) as table:
        while some := list(islice(rows, _ROWS_AT_A_TIME)):
            columns = dict(zip(LabelRow._fields, zip(*some, strict=True), strict=True))
            table.write_table(pyarrow.table(columns, schema=schema))
