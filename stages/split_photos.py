"""Stage `split`."""

from entrypoint import run_stage

from vibe_photos.split.stage import split_photos

if __name__ == "__main__":
    run_stage(split_photos)
