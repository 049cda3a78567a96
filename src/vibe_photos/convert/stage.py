"""Stage `convert`: from the teacher's words to label keys, with every word that was dropped counted.

What a word means is the mapping's business (`labels.mapping`). Changing it reruns this stage and what
follows, and never asks the teacher again.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec

from vibe_photos.convert.mapping import LabelJson, Mapping
from vibe_photos.records.ground_truth import ALL_LABELS, HEAD_FILES, RawAnnotation
from vibe_photos.settings import Convert, Taxonomy
from vibe_photos.storage.files import open_atomically, write_json
from vibe_photos.storage.jsonl import decode_line, read_numbered_lines

log = logging.getLogger(__name__)

_MOST_WORDS = 50


def convert_annotations(
    raw: Path, out_folder: Path, taxonomy: Taxonomy, convert: Convert, metric: Path
) -> None:
    """Write the automatic truth: one file of everything, and the same truth one file per head.

    Streams: memory holds the ids and not the records. The order is that of the raw file. Of several
    records of one photo the last counts.

    Raises:
        InputError: the raw file is missing or a line is no whole annotation (file and line are named).
    """
    with _open_truth_files(out_folder) as write:
        done = _Conversion(Mapping(taxonomy, convert), write, None).read(raw)
    if done.lines > len(done.last_line):
        # Rare: only now is it known which record of a photo is the last, so the files are written anew.
        with _open_truth_files(out_folder) as write:
            done = _Conversion(Mapping(taxonomy, convert), write, done.last_line).read(raw)
    _report(metric, done)


class _Conversion:
    """One pass over the raw file: of a photo's records that on its `chosen_line` is written, or each."""

    def __init__(
        self, mapping: Mapping, write: Callable[[str, LabelJson], None], chosen_line: dict[str, int] | None
    ) -> None:
        self.mapping = mapping
        self.lines = 0
        self.last_line: dict[str, int] = {}
        self.models: Counter[str] = Counter()
        self._write = write
        self._chosen_line = chosen_line

    def read(self, raw: Path) -> Self:
        """Convert all lines, in their order; errors as `convert_annotations`."""
        expected: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct(
                "ExpectedLine",
                [("image_id", str), ("annotation", self.mapping.expected_type), ("model", str | None, None)],
            )
        )
        for number, line in read_numbered_lines(raw):
            record: Any
            try:
                record = expected.decode(line)
                read: Callable[[Any], LabelJson] = self.mapping.read_expected
            except (msgspec.DecodeError, UnicodeDecodeError):
                record = decode_line(_ANY_LINE, line, raw, number)
                read = self.mapping.read_any
            self.lines += 1
            self.last_line[record.image_id] = number
            if self._chosen_line is None or self._chosen_line[record.image_id] == number:
                self.models[record.model or "unnamed"] += 1
                self._write(record.image_id, read(record.annotation))
        return self


_ANY_LINE = msgspec.json.Decoder(RawAnnotation)


@contextmanager
def _open_truth_files(folder: Path) -> Iterator[Callable[[str, LabelJson], None]]:
    """Yield a function that writes one record into all files, which replace the old ones at the end."""
    encode = msgspec.json.Encoder().encode
    with (
        open_atomically(folder / ALL_LABELS) as everything,
        open_atomically(folder / HEAD_FILES["scene"]) as scenes,
        open_atomically(folder / HEAD_FILES["attribute"]) as attributes,
        open_atomically(folder / HEAD_FILES["object"]) as objects,
    ):

        def write(image_id: str, labels: LabelJson) -> None:
            scene, judged, seen = labels
            start = b'{"image_id":%b,' % encode(image_id)
            everything.write(b'%b"scene":%b,"attributes":%b,"objects":%b}\n' % (start, scene, judged, seen))
            scenes.write(b'%b"scene":%b}\n' % (start, scene))
            attributes.write(b'%b"attributes":%b}\n' % (start, judged))
            objects.write(b'%b"objects":%b}\n' % (start, seen))

        yield write


def _report(metric: Path, done: _Conversion) -> None:
    tally, photos = done.mapping.tally, len(done.last_line)
    counts = {name: tally.counts[name] for name in sorted(tally.counts)}
    words = {
        "unknown_scene_words": dict(sorted(tally.unknown_scenes.most_common(_MOST_WORDS))),
        "object_words_without_key": dict(sorted(tally.objects_without_key.most_common(_MOST_WORDS))),
    }
    write_json(metric, {"photos": photos, **counts, **words})
    if len(done.models) > 1:
        log.warning("the raw file mixes answers of several models: %s", dict(done.models))
    log.info(
        "convert: %d photos; objects: %d mapped, %d not main, %d too uncertain, %d words without a key",
        photos,
        tally.counts["objects_mapped"],
        tally.counts["objects_not_main"],
        tally.counts["objects_low_confidence"],
        tally.counts["objects_without_key"],
    )
