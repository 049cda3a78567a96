from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from vibe_photos.errors import EncoderError
from vibe_photos.score.zero_shot import PromptSet, encode_prompts, find_prompts
from vibe_photos.settings import Embed, Embedder, Prompts
from vibe_photos.storage.vectors import to_unit_norm

PROMPTS = PromptSet(
    keys=("attr.has_text", "scene.food", "scene.people"),
    level={"attr.has_text": "attribute", "scene.food": "scene", "scene.people": "scene"},
    vectors=np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32),
    logit_scale=10.0,
    logit_bias=-5.0,
)


class LetterEncoder:
    """Reads a text as how often each of four letters stands in it."""

    model = "letters-1"
    dim = 4
    logit_scale = 10.0
    logit_bias = -4.0

    def needed_size(self, width: int, height: int) -> tuple[int, int]:
        return width, height

    def preprocess(self, image: Image.Image) -> np.ndarray:
        return np.zeros(4)

    def encode(self, batch: np.ndarray) -> np.ndarray:
        return to_unit_norm(batch + 1.0)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        return to_unit_norm(np.array([[text.count(letter) + 0.1 for letter in "aeio"] for text in texts]))


def test_logits_probabilities_and_margins_by_hand():
    # Cosines with (1, 0): 1, 0, 0.6; times 10 less 5: 5, -5, 1.
    logits = PROMPTS.logits(np.array([[1, 0]], dtype=np.float32))
    np.testing.assert_allclose(logits, [[5, -5, 1]], atol=1e-6)
    # The attribute: sigmoid(5). The scenes among themselves: softmax of -5 and 1.
    expected = [1 / (1 + np.exp(-5)), 1 / (1 + np.exp(6)), 1 / (1 + np.exp(-6))]
    np.testing.assert_allclose(PROMPTS.probabilities(logits), [expected], atol=1e-6)
    # The attribute's margin is its logit; food loses to people by 6, people wins by 6.
    np.testing.assert_allclose(PROMPTS.margins(logits), [[5, -6, 6]], atol=1e-6)


def test_a_scene_alone_has_its_logit_as_margin():
    alone = PromptSet(("scene.food",), {"scene.food": "scene"}, PROMPTS.vectors[1:2], 10.0, -5.0)
    logits = alone.logits(np.array([[0, 1]], dtype=np.float32))
    np.testing.assert_allclose(alone.margins(logits), [[5]])
    np.testing.assert_allclose(alone.probabilities(logits), [[1]])


def test_prompts_are_encoded_once_and_then_come_from_the_store(tmp_path, taxonomy):
    loads = []

    def load() -> LetterEncoder:
        loads.append(1)
        return LetterEncoder()

    first = encode_prompts(taxonomy, "letters-1", load, tmp_path)
    again = encode_prompts(taxonomy, "letters-1", load, tmp_path)
    assert first is not None
    assert again is not None
    assert len(loads) == 1
    assert (first.keys, first.logit_scale, first.logit_bias) == (again.keys, 10.0, -4.0)
    np.testing.assert_array_equal(first.vectors, again.vectors)
    np.testing.assert_allclose(np.linalg.norm(first.vectors, axis=1), 1, atol=1e-6)


def test_several_wordings_are_averaged(tmp_path, taxonomy):
    wordings = ["a a", "e"]
    one = msgspec.structs.replace(taxonomy, prompts=Prompts({"food": wordings}, {}, {}))
    prompts = encode_prompts(one, "letters-1", LetterEncoder, tmp_path)
    assert prompts is not None
    assert prompts.keys == ("scene.food",)
    mean = LetterEncoder().encode_texts(wordings).mean(axis=0)
    np.testing.assert_allclose(prompts.vectors[0], mean / np.linalg.norm(mean), atol=1e-6)


def test_another_wording_or_encoder_is_encoded_anew(tmp_path, taxonomy):
    for model, words in (("letters-1", "a"), ("letters-1", "e")):
        one = msgspec.structs.replace(taxonomy, prompts=Prompts({"food": [words]}, {}, {}))
        encode_prompts(one, model, LetterEncoder, tmp_path)
    assert len(list((tmp_path / "prompts").iterdir())) == 2
    with pytest.raises(EncoderError, match=r"embedded by letters-2.*is letters-1"):
        encode_prompts(taxonomy, "letters-2", LetterEncoder, tmp_path)


def test_no_wordings_need_no_encoder(tmp_path, taxonomy):
    def refuse() -> LetterEncoder:
        raise AssertionError("loaded for nothing")

    silent = msgspec.structs.replace(taxonomy, prompts=Prompts({}, {}, {}))
    assert encode_prompts(silent, "letters-1", refuse, tmp_path) is None


def test_an_encoder_without_a_text_tower_has_no_prompts(tmp_path: Path, taxonomy):
    embed = Embed(
        max_pixels=10**6,
        max_failed_share=0.0,
        precision="float32",
        batch_size=1,
        workers=1,
        device="cpu",
    )
    assert find_prompts(taxonomy, "hog-1", Embedder(kind="hog", name="hog"), embed, tmp_path) is None
