"""Stage `train`."""

from entrypoint import run_stage

from vibe_photos.heads.train import train_head
from vibe_photos.labels.convert import HEAD_FILES
from vibe_photos.settings import Settings


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
