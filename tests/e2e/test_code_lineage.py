"""A change of code reruns every stage that names its room, and no other; it costs nothing."""

import shutil
from pathlib import Path

import yaml

ROOMS = "src/vibe_photos"


def read_rooms(root: Path) -> dict[str, set[str]]:
    """Return the stages that name each room, as DVC names stages."""
    naming: dict[str, set[str]] = {}
    for name, stage in yaml.safe_load((root / "dvc.yaml").read_text())["stages"].items():
        items = stage.get("foreach") or stage.get("matrix", {}).get("head")
        names = [f"{name}@{item}" for item in items] if items else [name]
        for dependency in stage.get("do", stage)["deps"]:
            if dependency.startswith(ROOMS):
                naming.setdefault(Path(dependency).name, set()).update(names)
    return naming


def touch(room: Path) -> Path:
    """Add a comment to a module of a room, which changes no result; return the module."""
    module = next(path for path in sorted(room.glob("*.py")) if path.name != "__init__.py")
    module.write_text(module.read_text() + "\n# A comment.\n")
    return module


def test_every_room_makes_the_stages_due_that_name_it_and_no_other(checkout):
    rooms = read_rooms(checkout.root)
    for room in rooms:
        touch(checkout.root / ROOMS / room)
    due = {room: set() for room in rooms}
    for stage, reasons in checkout.status().items():
        for reason in reasons:
            if isinstance(reason, dict):
                for dependency in reason.get("changed deps", {}):
                    if dependency.startswith(ROOMS):
                        due[Path(dependency).name].add(stage)
    assert due == rooms


def test_changed_code_with_the_same_results_asks_and_computes_nothing(checkout):
    """In every room at once; with a store of one's own, then in a clone that has only pulled and has none."""
    paid, photos = checkout.paid(), len(checkout.bytes("data/library/photos.jsonl").splitlines())
    for targets, answers in ((("annotate", "embed"), paid), ((), photos)):
        for room in read_rooms(checkout.root):
            touch(checkout.root / ROOMS / room)
        done = checkout.repro(*targets)
        assert {"annotate", "embed"} <= done.ran
        assert "this run:" not in done.text  # the line of a run that sent requests
        assert f"{photos} vectors reused, 0 computed" in done.text
        assert checkout.paid() == answers
        changed = {line[3:] for line in checkout.run("git", "status", "--porcelain").stdout.splitlines()}
        assert {name for name in changed if not name.startswith("src/")} == {"dvc.lock"}
        shutil.rmtree(checkout.root / ".store")
    assert {"convert", "split", "score", "report"} <= done.ran
    assert checkout.repro().ran == set()


def test_a_change_that_leaves_a_stages_output_the_same_stops_there(checkout):
    touch(checkout.root / ROOMS / "convert")
    assert checkout.repro().ran == {"convert"}
