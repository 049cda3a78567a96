"""What exiftool and exiv2 themselves read and write, where they are installed."""

import shutil
import subprocess

import pytest
from PIL import Image

from vibe_photos.keywords.export import export_keywords, remove_keywords, to_keywords
from vibe_photos.records.photos import Photo


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
@pytest.mark.parametrize("name", ["a.jpg.xmp", "a.xmp"], ids=["digiKam, darktable", "Lightroom, Immich"])
@pytest.mark.parametrize("program", ["exiftool", "exiv2"])
def test_a_sidecar_has_theirs_and_ours_together_and_every_byte_comes_back(tmp_path, name, program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    photo, sidecar = tmp_path / "a.jpg", tmp_path / name
    Image.new("RGB", (8, 8)).save(photo)
    tags = ["-XMP-xmp:Rating=4", "-XMP-dc:Subject=Ada", "-XMP-exif:GPSLatitude=47.5"]
    subprocess.run(["exiftool", "-q", *tags, sidecar], check=True)
    if program == "exiv2":
        subprocess.run(["exiv2", "-M", "set Xmp.dc.title XmpText a title", sidecar], check=True)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    manifest = [Photo(image_id="id-a", rel_path="a.jpg", bytes=photo.stat().st_size, format="JPEG")]
    keywords = {"id-a": to_keywords(["scene.food"])}
    report = export_keywords(manifest, tmp_path, keywords, "full", is_writing=True)
    assert (report.counts["written"], report.problems) == (1, [])
    asked = ["-Rating", "-Subject", "-HierarchicalSubject", "-GPSLatitude#"]
    told = subprocess.run(["exiftool", "-s3", *asked, sidecar], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["4", "Ada, food", "Ada, vibe-photos|scene|food", "47.5"]
    remove_keywords(tmp_path, is_writing=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
