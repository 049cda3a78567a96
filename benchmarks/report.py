"""The report of the demo's run, against reading what it shows and decoding the photos it shows.

The floor reads every input file and shrinks as many photos as the page has pictures. The peer is a chart
library that renders the confusion matrix alone to a standalone page, which is what notebooks do.
Needs a finished `dvc repro`.
"""

import base64
import re
import tempfile
from io import BytesIO
from pathlib import Path

import msgspec
from benchmarks.rounds import at_most, measure, parse_arguments, print_table, write_results
from PIL import Image

from vibe_photos.configuration import read_resolved
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.records.photos import photo_path, read_manifest
from vibe_photos.report.stage import render_report
from vibe_photos.settings import Settings
from vibe_photos.storage.jsonl import read_jsonl

THUMBNAIL_PX = 160


def read_inputs(settings: Settings, pictures: int) -> None:
    """The floor."""
    paths = settings.paths
    list(read_jsonl(paths.auto / ALL_LABELS, GroundTruth))
    for path in sorted(paths.eval.rglob("*.json")):
        path.read_bytes()
    paths.labels.read_bytes()
    root = Path(settings.library.root)
    for photo in list(read_manifest(paths.photos))[:pictures]:
        with Image.open(photo_path(root, photo)) as image:
            image.draft("RGB", (THUMBNAIL_PX, THUMBNAIL_PX))
            image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
            jpeg = BytesIO()
            image.convert("RGB").save(jpeg, "JPEG")
        base64.b64encode(jpeg.getvalue())


def main() -> None:
    """Print the table."""
    arguments = parse_arguments(__doc__ or "", rounds=3)
    settings = read_resolved()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "index.html"
        settings = msgspec.structs.replace(
            settings, paths=msgspec.structs.replace(settings.paths, report=page)
        )
        render_report(settings)
        pictures = len(re.findall(r"data:image/jpeg", page.read_text()))
        medians = measure(
            {
                "floor: read and shrink": lambda: read_inputs(settings, pictures),
                "report": lambda: render_report(settings),
            },
            arguments.rounds,
        )
    print_table(f"a report with {pictures} pictures", medians, "floor: read and shrink", 1, "reports")
    reach = at_most(
        "report, times reading its inputs and shrinking its photos",
        medians["report"] / medians["floor: read and shrink"],
        4.0,
    )
    write_results(arguments.json, {"report": medians}, [reach])


if __name__ == "__main__":
    main()
