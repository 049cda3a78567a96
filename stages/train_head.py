"""Stage `train`."""

from entrypoint import run_stage

from vibe_photos.records.ground_truth import HEAD_FILES
from vibe_photos.settings import Settings
from vibe_photos.train.stage import train_head


def train(settings: Settings) -> None:
    """Fit one linear head (`head=scene`, `attribute` or `object`) on the automatic truth."""
    paths, head = settings.paths, settings.head
    train_head(
        head,
        paths.auto / HEAD_FILES[head],
        paths.splits,
        paths.embeddings,
        settings.taxonomy,
        settings.train,
        paths.models,
        paths.eval / f"train_{head}.json",
    )


if __name__ == "__main__":
    run_stage(train)
