"""Deciding as the page does, and what is then on disk."""

import json
from pathlib import Path

from vibe_photos.records.ground_truth import Decision
from vibe_photos.review.decisions import DecisionLog

FOOD, PEOPLE, OTHER = "scene.food", "scene.people", "scene.other"


def decide(book: DecisionLog, image_id: str, scene: str | None, **fields: object) -> list[str]:
    after = None if scene is None else {"scene": [scene], "attributes": {}, "objects": []}
    line = Decision(image_id=image_id, decided_at="", after=after, **fields)  # type: ignore[arg-type]
    book.refresh()
    return book.record([line], [book.state(image_id).version])


def scene_of(book: DecisionLog, image_id: str) -> str | None:
    book.refresh()
    truth = book.state(image_id).truth
    return truth.scene[0] if truth else None


def write_file(folder: Path, **scenes: str) -> None:
    records = [{"image_id": image_id, "scene": [scene]} for image_id, scene in scenes.items()]
    (folder / "ground_truth_human.audited.json").write_text(json.dumps(records))


def read_log(folder: Path, reviewer: str) -> list[dict[str, object]]:
    return [
        json.loads(line) for line in (folder / "decisions" / f"{reviewer}.jsonl").read_text().splitlines()
    ]
