"""Named arrays in one `.npz` archive that numpy reads: the same arrays give the same bytes."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from vibe_photos.storage.atomic import open_atomically


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Replace `path` by an archive of the arrays, in their order.

    `numpy.savez` streams each array in, and how an entry of unknown length is marked differs between patch
    versions of Python; entries of known length look the same in all.
    """
    with open_atomically(path) as file, ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            entry = BytesIO()
            np.lib.format.write_array(entry, array, allow_pickle=False)
            archive.writestr(ZipInfo(f"{name}.npy"), entry.getvalue())
