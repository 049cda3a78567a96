import pytest

from vibe_photos.errors import InputError
from vibe_photos.export.folder import write_folder


def read_folder(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_earlier_export_is_replaced_whole(tmp_path):
    folder = tmp_path / "model"
    write_folder(folder, {"heads.onnx": b"1", "encoder.onnx": b"2"})
    write_folder(folder, {"heads.onnx": b"3"})
    assert read_folder(folder) == {"heads.onnx": b"3"}
    assert list(tmp_path.iterdir()) == [folder]


def test_what_somebody_else_wrote_stays(tmp_path):
    folder = tmp_path / "holiday"
    folder.mkdir()
    (folder / "beach.jpg").write_bytes(b"sand")
    with pytest.raises(InputError, match=r"holds beach\.jpg, which no export wrote"):
        write_folder(folder, {"heads.onnx": b"1"})
    assert read_folder(folder) == {"beach.jpg": b"sand"}
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        write_folder(tmp_path / "file", {"heads.onnx": b"1"})


def test_a_write_that_fails_leaves_the_earlier_export(tmp_path):
    folder = tmp_path / "model"
    write_folder(folder, {"heads.onnx": b"1"})
    with pytest.raises(OSError, match="name too long"):
        write_folder(folder, {"heads.onnx": b"2", "x" * 300: b""})
    assert read_folder(folder) == {"heads.onnx": b"1"}
    assert list(tmp_path.iterdir()) == [folder]
