"""Stage `teach`."""

from entrypoint import run_stage

from vibe_photos.teach.stage import compile_training_truth

if __name__ == "__main__":
    run_stage(compile_training_truth)
