import numpy as np
import pytest
from tests.unit.stage_settings import settings_in

from vibe_photos.errors import HeadError
from vibe_photos.heads.calibration import Calibration
from vibe_photos.heads.linear import LinearHead, head_path, save_head
from vibe_photos.records.label_tables import read_scores
from vibe_photos.score.stage import score_photos, score_vectors
from vibe_photos.score.zero_shot import PromptSet
from vibe_photos.settings import Embed, Embedder, HeadName
from vibe_photos.storage.vectors import Embeddings, write_embeddings

VECTORS = np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
EMBED = Embed(
    max_pixels=10**6, max_failed_share=0.0, precision="float32", batch_size=1, workers=1, device="cpu"
)


def make_head(level: HeadName, labels: tuple[str, ...]) -> LinearHead:
    count = len(labels)
    return LinearHead(
        level=level,
        labels=labels,
        weight=np.eye(2, dtype=np.float32)[:count],
        bias=np.zeros(count, dtype=np.float32),
        calibration=Calibration((2.0,) * count, (1.0 if level == "attribute" else 0.0,) * count),
        embedder="hog-1",
        seed=0,
        created_from={},
    )


SCENE = make_head("scene", ("scene.food", "scene.people"))
ATTRIBUTE = make_head("attribute", ("attr.has_text",))
OBJECT = make_head("object", ())


def sigmoid(logit: float) -> float:
    return 1 / (1 + np.exp(-logit))


def test_every_photo_has_a_calibrated_probability_of_every_learnt_label():
    table = score_vectors(["a", "b", "c"], VECTORS, "hog-1", [SCENE, ATTRIBUTE, OBJECT], None)
    assert table.keys == ["attr.has_text", "scene.food", "scene.people"]
    np.testing.assert_allclose(table.head_logit, [[1, 1, 0], [0, 0, 1], [0.6, 0.6, 0.8]], atol=1e-6)
    # has_text: sigmoid(2 z + 1). Scenes: softmax of the doubled logits, which is sigmoid of their difference.
    expected = [
        [sigmoid(3), sigmoid(2), sigmoid(-2)],
        [sigmoid(1), sigmoid(-2), sigmoid(2)],
        [sigmoid(2.2), sigmoid(-0.4), sigmoid(0.4)],
    ]
    np.testing.assert_allclose(table.probability, expected, atol=1e-6)
    assert np.isnan(table.prompt_margin).all()


def test_prompts_give_margins_everywhere_and_probabilities_where_no_head_speaks():
    prompts = PromptSet(
        ("attr.has_person", "attr.has_text"),
        {"attr.has_person": "attribute", "attr.has_text": "attribute"},
        np.array([[1, 0], [0, 1]], dtype=np.float32),
        logit_scale=4.0,
        logit_bias=-1.0,
    )
    table = score_vectors(["a"], VECTORS[:1], "hog-1", [ATTRIBUTE], prompts)
    assert table.keys == ["attr.has_person", "attr.has_text"]
    np.testing.assert_allclose(table.prompt_margin, [[3, -1]])
    np.testing.assert_allclose(table.probability, [[sigmoid(3), sigmoid(3)]], atol=1e-6)
    np.testing.assert_array_equal(np.isnan(table.head_logit), [[True, False]])


def test_one_photo_alone_scores_as_among_others():
    heads = [SCENE, ATTRIBUTE, OBJECT]
    together = score_vectors(["a", "b", "c"], VECTORS, "hog-1", heads, None)
    for row in range(3):
        alone = score_vectors(["x"], VECTORS[row : row + 1], "hog-1", heads, None)
        np.testing.assert_array_equal(alone.probability[0], together.probability[row])


def test_the_stage_writes_what_the_heads_say_and_refuses_another_encoder(tmp_path, taxonomy):
    for head in (SCENE, ATTRIBUTE, OBJECT):
        save_head(head, head_path(tmp_path / "models", head.level))
    for model in ("hog-1", "hog-2"):
        write_embeddings(tmp_path / model / "embeddings.sqlite", Embeddings(["b", "a", "c"], VECTORS, model))

    def score(model: str) -> None:
        places = {"embeddings": tmp_path / model}
        hog = Embedder(kind="hog", name="hog")
        settings = settings_in(tmp_path, places, taxonomy=taxonomy, embedder=hog, embed=EMBED)
        score_photos(settings, tmp_path / "store")

    score("hog-1")
    table = read_scores(tmp_path / "probabilities.sqlite")
    assert table.image_ids == ["a", "b", "c"]
    np.testing.assert_allclose(table.head_logit[:, 1], [0, 1, 0.6], atol=1e-6)
    with pytest.raises(HeadError, match=r"made for hog-1.*are of hog-2"):
        score("hog-2")
