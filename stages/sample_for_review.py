"""Stage `sample`."""

from entrypoint import run_stage

from vibe_photos.sample.stage import sample_for_review

if __name__ == "__main__":
    run_stage(sample_for_review)
