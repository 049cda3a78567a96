"""Stage `train`."""

from entrypoint import run_stage

from vibe_photos.train.stage import train_head

if __name__ == "__main__":
    run_stage(train_head)
