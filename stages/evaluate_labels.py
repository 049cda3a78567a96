"""Stage `evaluate`."""

from entrypoint import run_stage

from vibe_photos.evaluate.stage import evaluate_labels

if __name__ == "__main__":
    run_stage(evaluate_labels)
