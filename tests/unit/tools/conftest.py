from pathlib import Path

import msgspec
import pytest
from tools.demo_library.library import TruthRecord
from tools.demo_library.simulated_teacher import Answer, ErrorModel, read_error_model

DEMO = Path(__file__).resolve().parents[3] / "data" / "demo"


@pytest.fixture(scope="session")
def demo() -> Path:
    return DEMO


@pytest.fixture(scope="session")
def truth() -> list[TruthRecord]:
    lines = (DEMO / "truth.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=TruthRecord) for line in lines]


@pytest.fixture(scope="session")
def answers() -> list[Answer]:
    lines = (DEMO / "teacher_answers.simulated.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Answer) for line in lines]


@pytest.fixture(scope="session")
def error_model() -> ErrorModel:
    return read_error_model(DEMO / "error_model.json")
