import numpy as np
import pytest
from tests.unit.train.test_train import make_library, train

from vibe_photos.errors import InputError
from vibe_photos.heads.out_of_fold import out_of_fold_path, read_out_of_fold


def test_what_train_wrote_is_read(tmp_path, taxonomy):
    _, classes = make_library(tmp_path)
    train(tmp_path, taxonomy, "attribute")
    held_out = read_out_of_fold(tmp_path / "models", "attribute")
    assert held_out.labels == ["attr.has_animal"]
    assert held_out.image_ids == [f"{number:032x}" for number in range(90)]
    assert held_out.y[:, 0].tolist() == (classes == 0).tolist()
    assert held_out.probabilities.shape == (90, 1)


def test_scenes_are_spread_out_to_one_column_each(tmp_path, taxonomy):
    _, classes = make_library(tmp_path)
    train(tmp_path, taxonomy, "scene")
    held_out = read_out_of_fold(tmp_path / "models", "scene")
    assert held_out.y.tolist() == np.eye(3, dtype=np.int8)[classes].tolist()
    assert (held_out.by_people.shape, held_out.by_people.any()) == ((90, 3), False)


@pytest.mark.parametrize("content", [None, b"", b"not an archive", b"PK\x03\x04 broken"])
def test_a_missing_or_damaged_file_is_named(tmp_path, content):
    path = out_of_fold_path(tmp_path, "object")
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"object_out_of_fold\.npz.*dvc repro train@object"):
        read_out_of_fold(tmp_path, "object")
