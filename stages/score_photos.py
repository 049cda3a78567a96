"""Stage `score`."""

from entrypoint import run_stage

from vibe_photos.score.stage import score_photos

if __name__ == "__main__":
    run_stage(score_photos)
