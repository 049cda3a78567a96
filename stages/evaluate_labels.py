"""Stage `evaluate`."""

from entrypoint import run_stage

from vibe_photos.evaluate.stage import evaluate_labels
from vibe_photos.human_truth.audited import read_audited_truth
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.settings import Settings
from vibe_photos.storage.jsonl import read_jsonl


def evaluate(settings: Settings) -> None:
    """Hold the labels against truth: what people audited (`truth=human`), or the teacher (`truth=auto`)."""
    paths, is_human = settings.paths, settings.truth == "human"
    teacher_records = list(read_jsonl(paths.auto / ALL_LABELS, GroundTruth))
    evaluate_labels(
        settings.truth,
        read_audited_truth(paths.human, settings.taxonomy) if is_human else teacher_records,
        paths.labels,
        paths.splits,
        settings.taxonomy,
        settings.evaluate,
        paths.eval / settings.truth,
        settings.classify.tuned_on,
        teacher_records if is_human else (),
    )


if __name__ == "__main__":
    run_stage(evaluate)
