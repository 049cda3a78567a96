"""Stage `convert`."""

from entrypoint import run_stage

from vibe_photos.convert.stage import convert_annotations

if __name__ == "__main__":
    run_stage(convert_annotations)
