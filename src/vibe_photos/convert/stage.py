"""Stage `convert`: map the teacher's words to label keys; every dropped word is counted.

The rules are in `mapping`. A changed mapping reruns this stage and those after it, and never asks the teacher
again.
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
from vibe_photos.settings import Settings
from vibe_photos.storage.files import open_atomically, write_json
from vibe_photos.storage.jsonl import decode_line, read_numbered_lines

log = logging.getLogger(__name__)

_MAX_WORDS = 50
_ANY_LINE = msgspec.json.Decoder(RawAnnotation)


def convert_annotations(settings: Settings) -> None:
    """Map the teacher's words to label keys: one file of all labels, and the same labels one file per head.

    Only the ids are in memory, not the records. The order is that of the raw file. If a photo has several
    records, the last one counts.

    Raises:
        InputError: the raw file is missing or a line is not a whole annotation (file and line are named).
    """
    paths = settings.paths
    chosen_line: dict[str, int] | None = None
    while True:
        mapping = Mapping(settings.taxonomy, settings.convert)
        with _open_truth_files(paths.auto) as write:
            done = _Conversion(mapping, write, chosen_line).read(paths.raw_annotations)
        if chosen_line is not None or done.lines == len(done.last_line):
            break
        # Rare: a photo has several records, so the files are written again with only the last ones.
        chosen_line = done.last_line
    tally, photos = done.mapping.tally, len(done.last_line)
    metric = {
        "photos": photos,
        **dict(sorted(tally.counts.items())),
        "unknown_scene_words": dict(sorted(tally.unknown_scenes.most_common(_MAX_WORDS))),
        "object_words_without_key": dict(sorted(tally.objects_without_key.most_common(_MAX_WORDS))),
    }
    write_json(paths.eval / "convert.json", metric)
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


class _Conversion:
    """One pass over the raw file. It writes the record on a photo's `chosen_line`, or every record."""

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
        """Convert all lines in order; errors as in `convert_annotations`."""
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
                read: Callable[[Any], LabelJson] = self.mapping.map_expected
            except (msgspec.DecodeError, UnicodeDecodeError):
                record = decode_line(_ANY_LINE, line, raw, number)
                read = self.mapping.map_any
            self.lines += 1
            self.last_line[record.image_id] = number
            if self._chosen_line is None or self._chosen_line[record.image_id] == number:
                self.models[record.model or "unnamed"] += 1
                self._write(record.image_id, read(record.annotation))
        return self


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
