"""The house as drawn: a floor imports only from floors below it, and what is heavy is imported late."""

import subprocess
import sys

HEAVY = {"torch", "pandas", "sklearn", "open_clip", "onnxruntime", "skimage", "transformers"}
LEAN_STAGES = [
    "compose_config",
    "scan_library",
    "annotate_photos",
    "convert_annotations",
    "sample_for_review",
    "split_photos",
    "classify_photos",
    "evaluate_labels",
    "measure_agreement",
]


def test_import_contracts_hold(repository):
    result = subprocess.run(["lint-imports"], cwd=repository, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_lean_stages_and_help_import_nothing_heavy(repository):
    code = (
        "import importlib, sys; sys.path.insert(0, 'stages')\n"
        f"for stage in {LEAN_STAGES}:\n"
        f"    importlib.import_module(stage); print(stage, *{HEAVY} & sys.modules.keys())\n"
        "from vibe_photos.cli import build_parser; build_parser(); "
        f"print('help', *{HEAVY} & sys.modules.keys())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [*LEAN_STAGES, "help"]


def test_http_and_open_clip_have_one_place_each(repository):
    places = {
        library: sorted(
            str(path.relative_to(repository / "src" / "vibe_photos"))
            for path in (repository / "src").rglob("*.py")
            if any(
                line.strip().startswith((f"import {library}", f"from {library}"))
                for line in path.read_text().splitlines()
            )
        )
        for library in ("httpcore", "httpx", "open_clip")
    }
    assert places == {
        "httpcore": [],
        "httpx": ["annotate/client.py"],
        "open_clip": ["encoders/siglip.py"],
    }
