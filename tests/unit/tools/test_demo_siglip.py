"""The miniature SigLIP that the demo ships, and the tool that trains it."""

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from tools.demo_library.library import SEED, Shot
from tools.demo_library.specs import ObjectSpec, PhotoSpec
from tools.demo_siglip.cutouts import draw_cutouts, paste_cutouts
from tools.demo_siglip.lessons import (
    Lessons,
    collect_statements,
    judge_statements,
    prepare_lessons,
    state_facts,
)
from tools.demo_siglip.model import build_model, write_weights
from tools.demo_siglip.pictures import plan_pictures, render_pictures
from tools.demo_siglip.training import Schedule, draw_batch, learn_to_read, measure_loss, train

from vibe_photos.encoders.encoder import TextEncoder, load_encoder
from vibe_photos.encoders.siglip import import_open_clip
from vibe_photos.score.zero_shot import PromptSet, encode_prompts
from vibe_photos.settings import Embed, Embedder, Taxonomy
from vibe_photos.storage.vectors import Vectors

FRESH_SEED = 4711
COUNT = 60
BRIEF = Schedule(epochs=6, seed=3, batch_size=12, reading_steps=60, learning_rate=1e-3)


def configure_embed() -> Embed:
    return Embed(
        max_pixels=1_000_000,
        max_failed_share=0.0,
        precision="float32",
        batch_size=32,
        workers=1,
        device="cpu",
    )


@pytest.fixture(scope="module")
def folder(demo: Path) -> Path:
    return demo / "siglip"


@pytest.fixture(scope="module")
def encoder(folder: Path) -> TextEncoder:
    embedder = Embedder(kind="siglip", name="demo_siglip", checkpoint=f"local-dir:{folder}")
    loaded = load_encoder(embedder, configure_embed())
    assert isinstance(loaded, TextEncoder)
    return loaded


@pytest.fixture(scope="module")
def shots() -> list[Shot]:
    """Pictures that neither the demo shows nor the model has seen."""
    return plan_pictures(FRESH_SEED, COUNT)


@pytest.fixture(scope="module")
def paths(shots: list[Shot], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return render_pictures(
        shots, FRESH_SEED, tmp_path_factory.mktemp("pictures"), workers=os.cpu_count() or 1
    )


@pytest.fixture(scope="module")
def vectors(encoder: TextEncoder, paths: list[Path]) -> Vectors:
    return encoder.encode(np.stack([encoder.preprocess(Image.open(path).convert("RGB")) for path in paths]))


@pytest.fixture(scope="module")
def prompts(encoder: TextEncoder, taxonomy: Taxonomy, tmp_path_factory: pytest.TempPathFactory) -> PromptSet:
    found = encode_prompts(taxonomy, encoder.model, lambda: encoder, tmp_path_factory.mktemp("store"))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def prepared(
    shots: list[Shot], paths: list[Path], taxonomy: Taxonomy, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Lessons, dict[str, object]]:
    cutouts = draw_cutouts(np.random.default_rng(0), each=1)
    return prepare_lessons(shots[:24], paths[:24], cutouts, taxonomy, tmp_path_factory.mktemp("folder"))


def column(prompts: PromptSet, key: str) -> int:
    return prompts.keys.index(key)


def test_the_scene_prompt_that_fits_best_is_usually_the_true_one(
    shots: list[Shot], vectors: Vectors, prompts: PromptSet
) -> None:
    scenes = [index for index, key in enumerate(prompts.keys) if prompts.level[key] == "scene"]
    best = prompts.logits(vectors)[:, scenes].argmax(axis=1)
    predicted = [prompts.keys[scenes[index]] for index in best]
    right = sum(key == shot.spec.scene_key for key, shot in zip(predicted, shots, strict=True))
    # By chance 7 of 60, were all nine equally frequent; the largest scene alone is 11.
    assert right >= 40


@pytest.mark.parametrize(
    ("key", "attribute"),
    [("attr.has_person", "has_person"), ("attr.has_text", "has_text"), ("attr.has_animal", "has_animal")],
)
def test_a_prompt_fits_the_pictures_of_which_it_is_true_better(
    key: str, attribute: str, shots: list[Shot], vectors: Vectors, prompts: PromptSet
) -> None:
    is_true = np.array([shot.spec.attributes[attribute] for shot in shots])
    logits = prompts.logits(vectors)[:, column(prompts, key)]
    # The share of pairs, one true and one false, in which the true one fits better; 0.5 by chance.
    assert (logits[is_true][:, None] > logits[~is_true][None]).mean() > 0.7


def test_a_thing_is_among_the_three_objects_that_fit_best(
    shots: list[Shot], vectors: Vectors, prompts: PromptSet
) -> None:
    objects = [index for index, key in enumerate(prompts.keys) if key.count(".") > 1]
    order = prompts.logits(vectors)[:, objects].argsort(axis=1)[:, ::-1][:, :3]
    named = [{prompts.keys[objects[index]] for index in row} for row in order]
    shown = [{key for key in shot.spec.object_keys if key.count(".") > 1} for shot in shots]
    hits = [bool(found & true) for found, true in zip(named, shown, strict=True) if true]
    # Three of 22 keys, drawn blindly, hit one or two true ones at most every fourth time.
    assert len(hits) >= 15
    assert np.mean(hits) > 0.45


def test_the_weights_are_small_and_compute_in_float32(folder: Path, encoder: TextEncoder) -> None:
    from safetensors.torch import load_file

    path = folder / "open_clip_model.safetensors"
    assert path.stat().st_size <= 3_000_000
    kinds = {weights.dtype for weights in load_file(path).values()}
    assert kinds == {torch.float16, torch.int64}
    assert encoder.encode_texts(["a photo of a keyboard"]).dtype == np.float32


def test_case_and_punctuation_do_not_count(encoder: TextEncoder) -> None:
    plain, loud = encoder.encode_texts(["a photo of a usb hub", "A photo, of a USB hub!"])
    assert (plain == loud).all()


def test_the_configuration_names_the_folder(repository: Path, folder: Path) -> None:
    text = (repository / "conf" / "embedder" / "demo_siglip.yaml").read_bytes()
    embedder = msgspec.convert(msgspec.yaml.decode(text), Embedder)
    assert embedder.kind == "siglip"
    assert repository / str(embedder.checkpoint).removeprefix("local-dir:") == folder


def test_the_tokenizer_knows_every_word_of_the_prompts(folder: Path, taxonomy: Taxonomy) -> None:
    tokenizer = import_open_clip().get_tokenizer(f"local-dir:{folder}")
    unknown = tokenizer.tokenizer.unk_token_id
    assert unknown not in tokenizer(list(collect_statements(taxonomy)), context_length=16)
    assert unknown in tokenizer(["a photo of a zeppelin"], context_length=16)


def test_statements_are_true_of_what_was_drawn(taxonomy: Taxonomy) -> None:
    desk = PhotoSpec("snapshot", "desk", (224, 168), people=1, objects=(ObjectSpec("keyboard"),))
    meadow = PhotoSpec("animals", "meadow", (224, 168), animals=("sheep",))
    statements = collect_statements(taxonomy)
    truth = judge_statements([state_facts(desk), state_facts(meadow)], statements, taxonomy)
    said = [{text for text, holds in zip(statements, row, strict=True) if holds} for row in truth]
    assert said[0] == {
        "a casual snapshot",
        "an everyday photo of a place",
        "a photo of a person",
        "a photo of a keyboard",
        "a photo of an electronic device",
        "keyboard",
        "a photo of keyboard",
        "desk",
        "a photo of desk",
    }
    assert said[1] == {
        "a photo of an animal",
        "a photo of a pet",
        "sheep",
        "a photo of sheep",
        "meadow",
        "a photo of meadow",
    }


def test_the_demos_own_pictures_are_never_learnt_from() -> None:
    with pytest.raises(ValueError, match="demo library itself"):
        plan_pictures(SEED, count=1)


def test_with_the_diagonal_alone_true_the_loss_is_open_clips(
    prepared: tuple[Lessons, dict[str, object]],
) -> None:
    lessons, config = prepared
    model = build_model(config, seed=0).eval()
    pictures = torch.from_numpy(lessons.pictures[:5]).permute(0, 3, 1, 2).float() / 127.5 - 1
    vectors = torch.randn(5, model.visual.output_dim, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours = measure_loss(model, pictures, vectors, torch.eye(5, dtype=torch.bool))
        with torch.autocast("cpu", torch.bfloat16):
            features = model.encode_image(pictures)
        theirs = import_open_clip().loss.SigLipLoss()(
            torch.nn.functional.normalize(features.float(), dim=-1),
            torch.nn.functional.normalize(vectors, dim=-1),
            model.logit_scale.exp(),
            model.logit_bias,
        )
    assert float(ours) == pytest.approx(float(theirs))


def test_a_pasted_cutout_makes_true_what_it_shows_and_nothing_false(
    prepared: tuple[Lessons, dict[str, object]],
) -> None:
    lessons, _ = prepared
    plain, before = draw_batch(np.random.default_rng(0), lessons, np.arange(12), pasted_share=0.0)
    pasted, after = draw_batch(np.random.default_rng(0), lessons, np.arange(12), pasted_share=1.0)
    assert (before.numpy() == lessons.truth[:12]).all()
    assert plain.shape == pasted.shape
    assert (after | before == after).all()
    gained = (after & ~before).any(dim=1).numpy()
    assert gained.sum() >= 4
    assert not gained[~lessons.has_room[:12]].any()


def test_a_cutout_changes_the_picture_where_it_lies() -> None:
    cutouts = draw_cutouts(np.random.default_rng(0), each=1)
    grey = np.full((96, 96, 3), 128, dtype=np.uint8)
    picture, chosen = paste_cutouts(np.random.default_rng(1), grey, cutouts)
    assert 1 <= len(chosen) <= 6
    assert 0.005 < (picture != grey).any(axis=2).mean() < 0.9


def test_training_lowers_the_loss_and_repeats_itself(
    prepared: tuple[Lessons, dict[str, object]], tmp_path: Path
) -> None:
    lessons, config = prepared
    model = build_model(config, seed=3)
    losses = list(train(model, lessons, BRIEF))
    assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:2])
    again = next(train(build_model(config, seed=3), lessons, BRIEF))
    assert again == losses[0]
    write_weights(tmp_path, model)
    assert (tmp_path / "open_clip_model.safetensors").stat().st_size <= 3_000_000


def test_the_text_tower_learns_the_vectors_of_statements(
    prepared: tuple[Lessons, dict[str, object]],
) -> None:
    lessons, config = prepared
    model, tokens = build_model(config, seed=3), lessons.statements[:8]
    vectors = torch.randn(8, model.visual.output_dim, generator=torch.Generator().manual_seed(0))
    learn_to_read(model, tokens, vectors, BRIEF)
    with torch.inference_mode():
        likeness = torch.nn.functional.cosine_similarity(
            model.encode_text(torch.from_numpy(tokens))[:, None], vectors[None], dim=-1
        )
    assert (likeness.argmax(dim=1) == torch.arange(8)).all()
