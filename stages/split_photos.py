"""Stage `split`."""

from entrypoint import run_stage

from vibe_photos.labels.human import read_audited
from vibe_photos.labels.sampling import read_sampled
from vibe_photos.labels.split import assign_roles, write_splits
from vibe_photos.library.groups import read_groups
from vibe_photos.settings import Settings


def split(settings: Settings) -> None:
    """Decide who may train: near-duplicates stay together, what people audit never trains."""
    paths = settings.paths
    hashes = paths.embeddings / "perceptual_hashes.jsonl"
    groups = read_groups(paths.photos, hashes, settings.split.max_hash_distance)
    audited = {record.image_id for record in read_audited(paths.human)}
    reserved = audited | set(read_sampled(paths.sample))
    write_splits(paths.splits, assign_roles(groups, reserved, settings.split))


if __name__ == "__main__":
    run_stage(split)
