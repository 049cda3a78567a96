"""The house as drawn: a floor imports only from floors below it, and what is heavy is imported late."""

import subprocess
import sys

import pytest

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


def run_python(repository, code):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False
    )


def test_import_contracts_hold(repository):
    result = subprocess.run(["lint-imports"], cwd=repository, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("stage", LEAN_STAGES)
def test_a_lean_stage_imports_nothing_heavy(repository, stage):
    code = f"import sys; sys.path.insert(0, 'stages'); import {stage}; print(*sorted(sys.modules))"
    result = run_python(repository, code)
    assert result.returncode == 0, result.stderr
    assert HEAVY.isdisjoint(result.stdout.split())


def test_help_imports_nothing_heavy(repository):
    code = "import sys; from vibe_photos.cli import build_parser; build_parser(); print(*sorted(sys.modules))"
    assert HEAVY.isdisjoint(run_python(repository, code).stdout.split())


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
