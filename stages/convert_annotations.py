"""Stage `convert`."""

from entrypoint import run_stage

from vibe_photos.convert.stage import convert_annotations
from vibe_photos.settings import Settings


def convert(settings: Settings) -> None:
    """Map the teacher's words to label keys and count what was dropped."""
    paths = settings.paths
    convert_annotations(
        paths.raw_annotations, paths.auto, settings.taxonomy, settings.convert, paths.eval / "convert.json"
    )


if __name__ == "__main__":
    run_stage(convert)
