"""Stage `agreement`."""

from entrypoint import run_stage

from vibe_photos.agreement.stage import measure_agreement
from vibe_photos.human_truth.audited import read_audited_truth
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.settings import Settings
from vibe_photos.storage.jsonl import read_jsonl


def agreement(settings: Settings) -> None:
    """Hold the teacher against what people audited: how good are the labels that the heads learn from?"""
    paths = settings.paths
    measure_agreement(
        list(read_jsonl(paths.auto / ALL_LABELS, GroundTruth)),
        read_audited_truth(paths.human, settings.taxonomy),
        settings.taxonomy,
        settings.evaluate,
        paths.eval / "teacher" / "metrics.json",
        paths.splits,
    )


if __name__ == "__main__":
    run_stage(agreement)
