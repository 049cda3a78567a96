from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image, ImageOps
from tools.demo_library.habits import HABITS, draw_specs
from tools.demo_library.library import (
    COPY_COUNT,
    TWIN_COUNT,
    TruthRecord,
    keep_distinct,
    name_image,
    plan_library,
    render_shot,
    state_truth,
)
from tools.demo_library.specs import ObjectSpec, PhotoSpec
from tools.demo_library.things import CATALOGUE, KEY_OF_WORD

from vibe_photos.settings import Taxonomy

RENDERED_WITH_PILLOW = "13.0.0"


def read_photo(content: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(content))).convert("RGB"), dtype=float)


@pytest.fixture(scope="module")
def redrawn(demo: Path) -> list[tuple[bytes, bytes]]:
    """The first dozen files and every copy, committed and rendered again."""
    shots = plan_library()
    chosen = shots[:12] + [shot for shot in shots if shot.kind == "copy"]
    return [((demo / "photos" / shot.rel_path).read_bytes(), render_shot(shot)) for shot in chosen]


@pytest.mark.skipif(PIL.__version__ != RENDERED_WITH_PILLOW, reason="JPEG bytes depend on Pillow's libjpeg")
def test_the_committed_photos_are_rendered_again_byte_for_byte(redrawn: list[tuple[bytes, bytes]]) -> None:
    assert all(committed == rendered for committed, rendered in redrawn)


def test_whatever_the_pillow_the_pictures_are_the_same_to_the_eye(redrawn: list[tuple[bytes, bytes]]) -> None:
    distances = [
        np.abs(read_photo(committed) - read_photo(rendered)).mean() for committed, rendered in redrawn
    ]
    assert max(distances) < 3


def test_the_truth_is_what_the_plan_draws(demo: Path, truth: list[TruthRecord]) -> None:
    shots = plan_library()
    named = [(shot, name_image((demo / "photos" / shot.rel_path).read_bytes())) for shot in shots]
    assert [state_truth(shot, image_id) for shot, image_id in keep_distinct(named)] == truth


def test_the_folder_holds_the_planned_files_and_is_small(demo: Path) -> None:
    files = [path for path in (demo / "photos").rglob("*") if path.is_file()]
    planned = {shot.rel_path for shot in plan_library()}
    assert {path.relative_to(demo / "photos").as_posix() for path in files} == planned
    assert sum(path.stat().st_size for path in files) < 4_800_000
    assert len({name.rsplit(".")[-1] for name in planned}) > 3


def test_twins_look_alike_and_copies_are_the_same_bytes(demo: Path) -> None:
    shots = plan_library()
    originals = {shot.number: shot for shot in shots if shot.kind == "original"}
    counts = Counter(shot.kind for shot in shots)
    assert (counts["twin"], counts["copy"]) == (TWIN_COUNT, COPY_COUNT)
    for shot in shots:
        if shot.kind == "original":
            continue
        first, second = ((demo / "photos" / s.rel_path).read_bytes() for s in (originals[shot.number], shot))
        assert (first == second) is (shot.kind == "copy")
        small = [
            np.asarray(Image.fromarray(read_photo(b).astype("uint8")).resize((32, 32)))
            for b in (first, second)
        ]
        flat = [pixels.astype(float).ravel() for pixels in small]
        assert np.corrcoef(flat)[0, 1] > 0.9


def test_some_photos_are_stored_turned_and_some_say_where_they_were_taken(demo: Path) -> None:
    contents = [(demo / "photos" / shot.rel_path).read_bytes() for shot in plan_library()]
    exifs = [Image.open(BytesIO(content)).getexif() for content in contents]
    turned = Counter(exif.get(0x0112, 1) for exif in exifs)
    assert set(turned) == {1, 3, 6, 8}
    assert 20 < len(exifs) - turned[1] < 80
    assert sum(0x8825 in exif and 0x010F in exif for exif in exifs) > 40


def test_a_turned_photo_has_the_planned_shape_once_it_is_righted(demo: Path) -> None:
    shots = [shot for shot in plan_library() if shot.kind == "original"][:60]
    for shot in shots:
        with Image.open(demo / "photos" / shot.rel_path) as photo:
            assert ImageOps.exif_transpose(photo).size == shot.spec.size


def test_every_scene_and_every_object_key_comes_often_enough(
    truth: list[TruthRecord], taxonomy: Taxonomy
) -> None:
    assert len(truth) >= 360
    assert len({record.image_id for record in truth}) == len(truth)
    scenes = Counter(scene for record in truth for scene in record.scene)
    assert set(scenes) == set(taxonomy.scenes.values())
    assert min(scenes.values()) >= 24
    objects = Counter(key for record in truth for key in record.objects)
    assert set(objects) == set(taxonomy.objects.values())
    assert min(objects.values()) >= 6
    attributes = Counter(name for record in truth for name, is_so in record.attributes.items() if is_so)
    assert set(attributes) == set(taxonomy.attributes.values())


def test_words_and_keys_are_those_of_the_taxonomy(taxonomy: Taxonomy) -> None:
    assert dict(taxonomy.objects) == KEY_OF_WORD
    assert {thing.coarse_type for thing in CATALOGUE.values()} == {*KEY_OF_WORD, "other_object"}
    assert set(HABITS) == set(taxonomy.scenes)


def test_another_seed_draws_another_library() -> None:
    counts = {"snapshot": 12, "people": 12}
    first, again, other = (draw_specs(np.random.default_rng(seed), counts) for seed in (1, 1, 2))
    assert first == again != other
    assert Counter(spec.scene for spec in other) == counts


def test_text_is_claimed_where_it_is_printed() -> None:
    assert PhotoSpec("product", "studio", (224, 168), objects=(ObjectSpec("parcel"),)).attributes["has_text"]
    assert not PhotoSpec("product", "studio", (224, 168), objects=(ObjectSpec("ball"),)).attributes[
        "has_text"
    ]
    assert PhotoSpec("landscape", "sea", (224, 168), has_sign=True).attributes["has_text"]
