"""Stage `classify`."""

from entrypoint import run_stage

from vibe_photos.classify.stage import classify_photos

if __name__ == "__main__":
    run_stage(classify_photos)
