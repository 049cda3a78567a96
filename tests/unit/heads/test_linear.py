import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vibe_photos.errors import HeadError
from vibe_photos.heads.calibration import Calibration
from vibe_photos.heads.linear import LinearHead, head_path, load_head, save_head
from vibe_photos.settings import HeadName

KEYS: dict[HeadName, tuple[str, str]] = {
    "scene": ("scene_labels", "num_classes"),
    "attribute": ("attr_keys", "num_attrs"),
    "object": ("label_keys", "num_labels"),
}


def make_head(
    level: HeadName = "scene", labels: tuple[str, ...] = ("scene.food", "scene.people")
) -> LinearHead:
    generator = np.random.default_rng(0)
    count = len(labels)
    return LinearHead(
        level=level,
        labels=labels,
        weight=generator.standard_normal((count, 3)).astype(np.float32),
        bias=generator.standard_normal(count).astype(np.float32),
        calibration=Calibration((0.5,) * count, (0.0,) * count),
        embedder="hog-0123",
        seed=7,
        created_from={"examples": "ab", "vectors": "cd"},
    )


def read_content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def unit_vectors(count: int) -> np.ndarray:
    vectors = np.random.default_rng(1).standard_normal((count, 3)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("level", KEYS)
@pytest.mark.parametrize("labels", [("a.b", "a.c"), ()])
def test_a_head_comes_back_as_it_was_saved(tmp_path, level, labels):
    head = make_head(level, labels)
    save_head(head, head_path(tmp_path, level))
    loaded = load_head(head_path(tmp_path, level), level)
    np.testing.assert_array_equal(loaded.weight, head.weight)
    np.testing.assert_array_equal(loaded.bias, head.bias)
    for field in ("level", "labels", "calibration", "embedder", "seed", "created_from"):
        assert getattr(loaded, field) == getattr(head, field)
    assert loaded.probabilities(loaded.logits(unit_vectors(4), "hog-0123")).shape == (4, len(labels))


@pytest.mark.parametrize("level", KEYS)
def test_the_file_has_the_fields_that_other_programs_read(tmp_path, level):
    save_head(make_head(level, ("x.a", "x.b")), tmp_path / "head.pt")
    content = read_content(tmp_path / "head.pt")
    labels_key, count_key = KEYS[level]
    assert content[labels_key] == ["x.a", "x.b"]
    assert content["seed"] == 7
    assert (content["state"]["input_dim"], content["state"][count_key]) == (3, 2)


def test_the_state_loads_into_a_plain_torch_linear(tmp_path):
    head = make_head()
    save_head(head, tmp_path / "head.pt")
    state = read_content(tmp_path / "head.pt")["state"]
    linear = torch.nn.Linear(state["input_dim"], state["num_classes"])
    linear.load_state_dict(state["state_dict"])
    vectors = unit_vectors(5)
    with torch.no_grad():
        logits = linear(torch.from_numpy(vectors)).numpy()
    np.testing.assert_allclose(logits, head.logits(vectors, "hog-0123"), atol=1e-6)


def test_the_same_head_is_the_same_bytes_under_any_name(tmp_path):
    for name in ("one.pt", "another.pt"):
        save_head(make_head(), tmp_path / name)
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "another.pt").read_bytes()


def test_scene_probabilities_by_hand():
    head = make_head()
    # Temperature 2: logits 2 and 0 become 1 and 0; softmax gives e / (e + 1).
    np.testing.assert_allclose(
        head.probabilities(np.array([[2.0, 0.0]])), [[np.e / (np.e + 1), 1 / (np.e + 1)]]
    )


def test_vectors_of_another_encoder_are_refused_and_both_are_named():
    with pytest.raises(HeadError, match=r"made for hog-0123.*are of siglip-9.*dvc repro"):
        make_head().logits(unit_vectors(1), "siglip-9")


def test_vectors_of_another_length_are_refused():
    with pytest.raises(HeadError, match="dvc repro"):
        make_head().logits(np.ones((1, 4), dtype=np.float32), "hog-0123")


def test_a_missing_head_says_how_to_get_it(tmp_path):
    with pytest.raises(HeadError, match=r"does not exist.*dvc repro"):
        load_head(tmp_path / "head.pt", "scene")


def test_a_head_of_the_older_scripts_is_taken_for_the_encoder_in_use_with_a_warning(tmp_path, caplog):
    save_head(make_head(), tmp_path / "head.pt")
    altered(tmp_path / "head.pt", dict.fromkeys(("calibration", "embedder", "created_from", "seed"), ...))
    head = load_head(tmp_path / "head.pt", "scene")
    logits = [head.logits(unit_vectors(2), "siglip-older") for _ in range(2)]
    np.testing.assert_array_equal(logits[0], make_head().logits(unit_vectors(2), "hog-0123"))
    assert head.probabilities(logits[0]).sum(axis=1) == pytest.approx(1.0)
    assert head.calibration == Calibration.identity(2)
    (warning,) = caplog.messages
    assert "scene head" in warning
    assert "taken for siglip-older" in warning
    with pytest.raises(HeadError, match=r"an unknown encoder \(3 numbers\)"):
        head.logits(np.ones((1, 4), dtype=np.float32), "siglip-older")


class Intruder:
    """Unpickled by a careless reader, this creates a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.trace}",)


def test_code_in_a_head_is_never_executed(tmp_path):
    trace = tmp_path / "intruded"
    save_head(make_head(), tmp_path / "head.pt")
    content = {**read_content(tmp_path / "head.pt"), "extra": Intruder(trace)}
    torch.save(content, tmp_path / "head.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Intruder(trace)))
    for name in ("head.pt", "plain.pt"):
        with pytest.raises(HeadError, match="more than numbers and text"):
            load_head(tmp_path / name, "scene")
    assert not trace.exists()


def altered(path: Path, change: dict[str, Any]) -> None:
    """Set dotted fields of a head file; a value of Ellipsis takes the field away."""
    content = read_content(path)
    for dotted, value in change.items():
        *nodes, last = dotted.split(".")
        node = content
        for name in nodes:
            node = node[name]
        if value is ...:
            del node[last]
        else:
            node[last] = value
    torch.save(content, path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"scene_labels": ["scene.food"]}, "num_classes"),
        ({"scene_labels": ["scene.food", "scene.food"]}, "distinct"),
        ({"scene_labels": ["scene.food", 3]}, r"`str`.*scene_labels\[1\]"),
        ({"scene_labels": ...}, "scene_labels"),
        ({"state": ...}, "state"),
        ({"state": 5}, "not a head for scene labels"),
        ({"state.num_classes": 3}, "num_classes"),
        ({"state.num_classes": True}, "num_classes"),
        ({"state.input_dim": 4}, "shape"),
        ({"state.input_dim": -3}, "input_dim"),
        ({"state.input_dim": 3.0}, "input_dim"),
        ({"state.state_dict.weight": torch.zeros(2, 4)}, "shape"),
        ({"state.state_dict.weight": torch.zeros(2, 3, dtype=torch.float64)}, "float32"),
        ({"state.state_dict.weight": torch.full((2, 3), float("nan"))}, "finite"),
        ({"state.state_dict.weight": torch.zeros(1).expand(2, 3)}, "plain float32"),
        ({"state.state_dict.weight": torch.zeros(2, 3).to_sparse()}, "plain float32"),
        ({"state.state_dict.weight": [[0.0] * 3] * 2}, "plain float32"),
        ({"state.state_dict.bias": torch.tensor([0.0, float("inf")])}, "finite"),
        ({"state.state_dict.bias": ...}, "bias"),
        ({"calibration": None}, "not a head for scene labels"),
        ({"calibration.scale": [1.0]}, "calibration scale"),
        ({"calibration.offset": [0.0, float("nan")]}, "calibration offset"),
        ({"embedder": 4}, "embedder"),
        ({"seed": "7"}, "seed"),
        ({"created_from": {"examples": 3}}, "created_from"),
    ],
)
def test_altered_heads_are_refused(tmp_path, change, complaint):
    save_head(make_head(), tmp_path / "head.pt")
    altered(tmp_path / "head.pt", change)
    with pytest.raises(HeadError, match=complaint):
        load_head(tmp_path / "head.pt", "scene")


def test_a_head_of_another_kind_is_refused(tmp_path):
    save_head(make_head("attribute", ("attr.has_text",)), tmp_path / "head.pt")
    with pytest.raises(HeadError, match="not a head for scene labels"):
        load_head(tmp_path / "head.pt", "scene")


@given(data=st.data())
def test_truncated_or_flipped_files_are_refused_or_read_never_worse(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("heads") / "head.pt"
    save_head(make_head(), path)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(whole[:cut])
    else:
        path.write_bytes(
            whole[:cut] + bytes([whole[cut] ^ data.draw(st.integers(1, 255))]) + whole[cut + 1 :]
        )
    try:
        head = load_head(path, "scene")
    except HeadError:
        return
    assert np.isfinite(head.weight).all()


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_head_at_all_is_refused(tmp_path, data):
    (tmp_path / "head.pt").write_bytes(data)
    with pytest.raises(HeadError):
        load_head(tmp_path / "head.pt", "scene")


def test_an_archive_without_a_pickle_is_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data", b"x")
    (tmp_path / "head.pt").write_bytes(buffer.getvalue())
    with pytest.raises(HeadError):
        load_head(tmp_path / "head.pt", "scene")
