"""Audit the demo's review sample from the demo library's known truth.

This stands in for a person. In a real library somebody looks at every sampled photo and corrects what the
teacher said; the demo's photos are drawn, so what they show is known, and this program writes it down:

    python tools/audit_demo_sample.py

reads `data/ground_truth/to_review.json` and `data/demo/truth.jsonl` and writes
`data/human/ground_truth_human.audited.json`, in the order of the sample.
"""

import sys
from pathlib import Path

import msgspec

SAMPLE = Path("data/ground_truth/to_review.json")
TRUTH = Path("data/demo/truth.jsonl")
AUDITED = Path("data/human/ground_truth_human.audited.json")


class SampledPhoto(msgspec.Struct, frozen=True):
    """A photo of the sample; whatever else its record holds is not needed."""

    image_id: str


class AuditedPhoto(msgspec.Struct, frozen=True):
    """What is true of a photo, in the contract's ground-truth format."""

    image_id: str
    scene: list[str]
    attributes: dict[str, bool]
    objects: list[str]


def audit_sample(sample: Path, truth: Path, audited: Path) -> int:
    """Write the truth of every sampled photo, in the sample's order; returns how many.

    Raises:
        SystemExit: A sampled photo is not in the truth.
    """
    records = [msgspec.json.decode(line, type=AuditedPhoto) for line in truth.read_bytes().splitlines()]
    known = {record.image_id: record for record in records}
    photos = msgspec.json.decode(sample.read_bytes(), type=list[SampledPhoto])
    missing = [photo.image_id for photo in photos if photo.image_id not in known]
    if missing:
        example = f"{len(missing)} photos are not in {truth}, first {missing[0]}"
        sys.exit(f"{sample}: {example}: is this the demo's sample?")
    encoded = msgspec.json.encode([known[photo.image_id] for photo in photos])
    audited.parent.mkdir(parents=True, exist_ok=True)
    audited.write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")
    return len(photos)


if __name__ == "__main__":
    print(f"{audit_sample(SAMPLE, TRUTH, AUDITED)} photos audited from the known truth: {AUDITED}")
