"""The graph, run by ONNX Runtime, against heads and prompts themselves; its decisions against `classify`."""

import runpy
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from vibe_photos.classify.stage import apply_temperatures, decide_labels
from vibe_photos.errors import HeadError
from vibe_photos.export.graphs import (
    MAX_DIFFERENCE,
    build_graph,
    fold_levels,
    measure_heads,
    open_session,
    temper_levels,
)
from vibe_photos.export.model_card import describe_decision, describe_labels, render
from vibe_photos.heads.calibration import Calibration
from vibe_photos.heads.linear import LinearHead
from vibe_photos.heads.rounding import DECIMALS
from vibe_photos.records.taxonomy import HEADS, head_keys
from vibe_photos.score.stage import score_vectors
from vibe_photos.score.zero_shot import PromptSet
from vibe_photos.settings import Classify, HeadName, Taxonomy, Temperatures
from vibe_photos.storage.vectors import to_unit_norm

DIM = 12
CLASSIFY = Classify(
    attribute_threshold={"default": 0.5, "has_text": 0.3},
    object_threshold={"default": 0.6, "keyboard": 0.2, "electronics": 0.9},
    attribute_from_scene={"is_document": "scene.document", "is_screenshot": "scene.screenshot"},
)


def make_head(level: HeadName, labels: tuple[str, ...], seed: int) -> LinearHead:
    generator = np.random.default_rng(seed)
    scale = (
        (1.7,) * len(labels) if level == "scene" else tuple(generator.uniform(0.5, 2, len(labels)).tolist())
    )
    offset = (0.0,) * len(labels) if level == "scene" else tuple(generator.normal(size=len(labels)).tolist())
    return LinearHead(
        level=level,
        labels=labels,
        weight=generator.normal(0, 6, (len(labels), DIM)).astype(np.float32),
        bias=generator.normal(size=len(labels)).astype(np.float32),
        calibration=Calibration(scale, offset),
        embedder="encoder",
        seed=0,
        created_from={},
    )


def make_prompts(taxonomy: Taxonomy) -> PromptSet:
    level = {key: head for head in HEADS for key in head_keys(taxonomy, head)}
    vectors = to_unit_norm(np.random.default_rng(9).normal(size=(len(level), DIM)))
    return PromptSet(tuple(level), level, vectors, 8.0, -1.0)


def make_heads(taxonomy: Taxonomy, has_scenes: bool) -> list[LinearHead]:
    """Heads that know some of the labels each; a scene head that knows none where asked."""
    learnt = {level: tuple(head_keys(taxonomy, level)[::2]) for level in HEADS}
    scenes = learnt["scene"] if has_scenes else ()
    return [
        make_head(level, scenes if level == "scene" else learnt[level], seed)
        for seed, level in enumerate(HEADS)
    ]


@pytest.mark.parametrize("has_scenes", [True, False])
@pytest.mark.parametrize("has_prompts", [True, False])
def test_exported_probabilities_and_decisions_are_the_pipelines(taxonomy, tmp_path, has_scenes, has_prompts):
    heads = make_heads(taxonomy, has_scenes)
    prompts = make_prompts(taxonomy) if has_prompts else None
    vectors = to_unit_norm(np.random.default_rng(1).normal(size=(300, DIM)))
    scores = score_vectors([str(row) for row in range(300)], vectors, "encoder", heads, prompts)
    temperature = Temperatures(scene=0.7, attribute=1.2, object=0.9)
    table = decide_labels(scores, taxonomy, msgspec.structs.replace(CLASSIFY, temperature=temperature))
    levels = fold_levels(heads, prompts)
    assert measure_heads(build_graph(levels), levels, vectors, scores) < 1e-5
    tempered = apply_temperatures(scores, taxonomy, temperature)
    levels = temper_levels(levels, temperature)
    model = build_graph(levels)
    assert measure_heads(model, levels, vectors, tempered) < 1e-4

    (tmp_path / "heads.onnx").write_bytes(model)
    labels = describe_labels(levels, table, taxonomy, "encoder")
    (tmp_path / "labels.json").write_bytes(msgspec.json.encode(labels))
    (tmp_path / "decision.json").write_bytes(
        msgspec.json.encode(describe_decision(table, CLASSIFY, DECIMALS))
    )
    (tmp_path / "example.py").write_text(render("example.py.jinja", recipe=None, encoder="encoder"))
    example = runpy.run_path(str(tmp_path / "example.py"))
    for row, vector in enumerate(vectors):
        value = dict(zip(table.keys, table.value[row].tolist(), strict=True))
        scene, said = example["label"](vector)
        assert scene == next((key for key in value if key.startswith("scene.") and value[key]), None)
        assert said == {key: bool(value[key]) for key in value if not key.startswith("scene.")}
    asked = [sys.executable, str(tmp_path / "example.py"), "photo.jpg"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert said.stderr.startswith("photo.jpg: no encoder is here; give vectors (.npy)")
    present = table.value == 1
    assert present.any(axis=0).sum() > 10
    assert {labels.labels[key].source for key in table.keys} == set(table.source.values())


def test_levels_of_which_nothing_is_known_have_no_output(taxonomy):
    heads = [
        make_head("scene", (), 0),
        make_head("attribute", ("attr.has_text",), 1),
        make_head("object", (), 2),
    ]
    (level,) = fold_levels(heads, None)
    assert (level.name, level.keys) == ("attribute", ("attr.has_text",))
    session = open_session(build_graph([level]))
    assert [output.name for output in session.get_outputs()] == ["attribute"]
    assert [(entry.name, entry.shape) for entry in session.get_inputs()] == [("vectors", ["n", DIM])]


def test_heads_without_any_label_are_refused():
    with pytest.raises(HeadError, match="nothing to export"):
        fold_levels([make_head(level, (), 0) for level in HEADS], None)


def test_a_graph_that_says_something_else_is_refused(taxonomy):
    heads = make_heads(taxonomy, has_scenes=True)
    vectors = to_unit_norm(np.random.default_rng(1).normal(size=(20, DIM)))
    scores = score_vectors([str(row) for row in range(20)], vectors, "encoder", heads, None)
    levels = fold_levels(heads, None)
    scores.probability[3, 2] += 2 * MAX_DIFFERENCE
    with pytest.raises(
        HeadError, match=r"differs from the heads by 2e-04|differs from the heads by 2\.0e-04"
    ):
        measure_heads(build_graph(levels), levels, vectors, scores)


def test_the_same_heads_give_the_same_bytes(taxonomy):
    first, second = (
        build_graph(fold_levels(make_heads(taxonomy, True), make_prompts(taxonomy))) for _ in "ab"
    )
    assert first == second


def test_the_examples_stay_short():
    """About twenty statements: what an app's author reads in a minute."""
    text = render("example.py.jinja", recipe=None, encoder="encoder")
    assert sum(bool(line.strip()) for line in text.splitlines()) < 40
