"""DVC sees every change of code: what a stage's script imports is covered by the stage's `deps`."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

CANNOT_CHANGE_A_RESULT = {
    "vibe_photos": "only a docstring",
    "vibe_photos.errors": "classes of errors; a run that raises one writes no result",
    "vibe_photos.settings": "types without defaults; DVC compares the values themselves, key by key",
    "vibe_photos.configuration": "turns the composed mapping into those types, or refuses it",
    "vibe_photos.lineage": "asks git where the store is; what the store holds has the same keys everywhere",
    "vibe_photos.terminal": "how log lines and errors are shown",
    "entrypoint": "binds the configuration to one function",
    "composition": "composes what `compose` writes and DVC compares",
}
"""Modules that no `deps` names, each with the reason."""


@cache
def list_modules(repository: Path) -> dict[str, Path]:
    source = repository / "src"
    packaged = {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): path
        for path in source.rglob("*.py")
    }
    return packaged | {path.stem: path for path in (repository / "stages").glob("*.py")}


@cache
def parse(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


def find_imports(path: Path, modules: dict[str, Path]) -> set[str]:
    """Return the project's modules that a file imports, inside functions too, with their packages."""
    names: set[str] = set()
    for node in parse(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in modules:
            names.add(node.value)  # `python -m vibe_photos...` in a process of its own
    parents = {name.rpartition(".")[0] for name in names}
    return (names | parents) & modules.keys()


def find_reached(script: str, modules: dict[str, Path]) -> set[str]:
    reached, waiting = {script}, [script]
    while waiting:
        new = find_imports(modules[waiting.pop()], modules) - reached
        reached |= new
        waiting += new
    return reached


def read_stages(repository: Path) -> dict[str, tuple[str, list[str]]]:
    """Return each stage's script and `deps`."""
    stages = {}
    for name, stage in yaml.safe_load((repository / "dvc.yaml").read_text())["stages"].items():
        stage = stage.get("do", stage)
        stages[name] = (re.search(r"stages/(\w+)\.py", stage["cmd"])[1], stage["deps"])
    return stages


def find_unnamed(repository: Path, script: str, deps: list[str]) -> list[str]:
    """Return the modules that a script reaches and `deps` does not name."""
    modules = list_modules(repository)
    named = [repository / dependency for dependency in deps]
    return sorted(
        module
        for module in find_reached(script, modules) - CANNOT_CHANGE_A_RESULT.keys()
        if not any(modules[module].is_relative_to(place) for place in named)
    )


STAGES = read_stages(Path(__file__).resolve().parents[2])


@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_all_code_that_a_stage_reaches(repository, stage):
    assert find_unnamed(repository, *STAGES[stage]) == []


@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_no_room_that_a_stage_does_not_use(repository, stage):
    script, deps = STAGES[stage]
    rooms = {dependency for dependency in deps if dependency.startswith("src/")}
    modules = list_modules(repository)
    reached = [modules[module].relative_to(repository) for module in find_reached(script, modules)]
    assert {room for room in rooms if not any(path.is_relative_to(room) for path in reached)} == set()


def test_a_missing_room_is_found(repository):
    script, deps = STAGES["embed"]
    unnamed = find_unnamed(repository, script, [room for room in deps if not room.endswith("/pixels")])
    assert "vibe_photos.pixels.decode" in unnamed


def test_no_plot_names_an_attribute(repository):
    text = (repository / "dvc.yaml").read_text()
    taxonomy = yaml.safe_load((repository / "conf/taxonomy/m2.yaml").read_text())
    assert [name for name in taxonomy["attributes"] if name in text.partition("\nplots:")[2]] == []
    assert text.count("\n") < 250
