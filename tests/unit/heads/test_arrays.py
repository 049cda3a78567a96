from zipfile import ZipFile

import numpy as np

from vibe_photos.heads.out_of_fold import write_arrays


def test_numpy_reads_what_was_written(tmp_path):
    arrays = {"ids": np.array(["a", "bc"]), "y": np.eye(3, dtype=np.float32), "none": np.zeros((0, 4))}
    write_arrays(tmp_path / "a.npz", arrays)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as read:
        assert read.files == list(arrays)
        for name, array in arrays.items():
            assert read[name].dtype == array.dtype
            np.testing.assert_array_equal(read[name], array)


def test_no_entry_tells_of_the_day_or_of_the_version_of_python(tmp_path):
    write_arrays(tmp_path / "a.npz", {"y": np.zeros(5)})
    with ZipFile(tmp_path / "a.npz") as archive:
        (entry,) = archive.infolist()
    # 2.0 is the oldest version that reads such an entry; with ZIP64 marks it would be 4.5.
    assert (entry.date_time, entry.create_version, entry.extract_version) == ((1980, 1, 1, 0, 0, 0), 20, 20)
