"""Out-of-fold predictions of a head: the file that `train` writes next to each head."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from vibe_photos.errors import InputError
from vibe_photos.heads.fit import Floats
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.settings import HeadName
from vibe_photos.storage.files import open_atomically


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """The training photos of a head, with probabilities by fits without their fold.

    `probabilities` is float32 [n, labels], NaN if all photos are in one fold. `y` is int8 [n, labels], the
    training labels: 1, 0, -1 for not judged. `by_people` is bool [n, labels]: a person gave that label, not
    the teacher.
    """

    image_ids: list[str]
    labels: list[str]
    probabilities: NDArray[np.float32]
    y: NDArray[np.int8]
    by_people: NDArray[np.bool_]


def out_of_fold_path(models: Path, head: HeadName) -> Path:
    """Return the path of that head's file in the folder of models."""
    return models / f"{head}_out_of_fold.npz"


def write_out_of_fold(
    models: Path,
    head: HeadName,
    image_ids: Sequence[str],
    labels: Sequence[str],
    y: NDArray[np.int8],
    by_people: NDArray[np.bool_],
    logits: Floats,
    probabilities: Floats,
) -> None:
    """Write the file of one head; `y` as in `OutOfFold`, but stored for scenes as the label's index.

    `by_people` is bool [n, labels], or [n, 1] where a person gives all labels of a head or none.
    `logits` and `probabilities` [n, labels] must be rounded; they are stored as float32.
    """
    arrays = {
        "image_ids": np.array(image_ids, dtype=np.str_),
        "labels": np.array(labels, dtype=np.str_),
        "logits": logits.astype(np.float32),
        "probabilities": probabilities.astype(np.float32),
        "y": y.argmax(axis=1) if head == "scene" and labels else y,
        "by_people": by_people,
    }
    write_arrays(out_of_fold_path(models, head), arrays)


def read_out_of_fold(models: Path, head: HeadName) -> OutOfFold:
    """Read the file of one head; for scenes, `y` is expanded to one column per label.

    Raises:
        InputError: the file is missing or damaged.
    """
    path = out_of_fold_path(models, head)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            y, labels = arrays["y"], arrays["labels"].tolist()
            by_people = np.broadcast_to(arrays["by_people"], (len(y), len(labels)))
            if head == "scene":
                y = y[:, np.newaxis] == np.arange(len(labels)) if labels else np.zeros((len(y), 0))
            image_ids, probabilities = arrays["image_ids"].tolist(), arrays["probabilities"]
            return OutOfFold(image_ids, labels, probabilities, y.astype(np.int8), by_people)
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist; `dvc repro train@{head}` makes it (if one is running, wait for it)"
        ) from None
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"{path} is damaged: {error}; `dvc repro train@{head}` makes it again") from None


def read_trained(models: Path) -> set[str] | None:
    """Return the ids of the photos that any head in the folder `models` was trained on; None without heads.

    Raises:
        InputError: a file is damaged.
    """
    heads = [head for head in HEADS if out_of_fold_path(models, head).exists()]
    return {i for head in heads for i in read_out_of_fold(models, head).image_ids} if heads else None


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Replace `path` by a `.npz` archive of the arrays; the same arrays give the same bytes.

    `numpy.savez` writes entries of unknown length, and patch versions of Python mark those differently.
    """
    with open_atomically(path) as file, ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            entry = BytesIO()
            np.lib.format.write_array(entry, array, allow_pickle=False)
            archive.writestr(ZipInfo(f"{name}.npy"), entry.getvalue())
