import io
import os
import stat

import pytest
import xxhash
from PIL import Image
from tests.unit.keywords.sidecars import DARKTABLE

from vibe_photos.errors import LibraryError
from vibe_photos.keywords.export import export_keywords, remove_keywords, to_keywords
from vibe_photos.keywords.sidecar import Keywords
from vibe_photos.records.photos import Photo, path_to_text

PIXELS = io.BytesIO()
Image.new("RGB", (8, 8)).save(PIXELS, "JPEG")
FOOD = {"id-a": to_keywords(["scene.food"])}


def make_photo(root, *places, image_id="id-a"):
    """Write the same photo at all places and return its line of the manifest."""
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PIXELS.getvalue())
    names = [path_to_text(os.fsencode(place)) for place in places]
    return Photo(
        image_id=image_id, rel_path=names[0], also_at=names[1:], bytes=len(PIXELS.getvalue()), format="JPEG"
    )


def read_tree(root):
    """Return every file's bytes and mode."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in files}


def run(root, photos, keywords=None, naming="full", is_writing=True):
    return export_keywords(photos, root, FOOD if keywords is None else keywords, naming, is_writing)


def test_every_place_of_a_photo_gets_its_sidecar_and_no_photo_is_touched(tmp_path):
    photo = make_photo(tmp_path, "a/Zoë 1.JPG", "b/copy.jpg", b"c/\xff.jpg".decode(errors="surrogateescape"))
    before = read_tree(tmp_path)
    report = run(tmp_path, [photo])
    after = read_tree(tmp_path)
    assert (report.counts["written"], report.problems) == (3, [])
    assert {path: after[path] for path in before} == before
    new = sorted(os.fsencode(path.name) for path in after.keys() - before.keys())
    assert new == ["Zoë 1.JPG.xmp".encode(), b"copy.jpg.xmp", b"\xff.jpg.xmp"]


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path):
    photo = make_photo(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "b.jpg.xmp").write_bytes(DARKTABLE)
    before = read_tree(tmp_path)
    report = run(tmp_path, [photo], is_writing=False)
    assert read_tree(tmp_path) == before
    assert report == run(tmp_path, [photo])
    assert report.changed == [tmp_path / "a.jpg.xmp", tmp_path / "b.jpg.xmp"]


def test_writing_twice_changes_no_byte_and_removing_leaves_the_folder_as_it_was(tmp_path):
    photo = make_photo(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "b.jpg.xmp").write_bytes(DARKTABLE)
    (tmp_path / "b.jpg.xmp").chmod(0o640)
    before = read_tree(tmp_path)
    run(tmp_path, [photo])
    written = read_tree(tmp_path)
    again = run(tmp_path, [photo])
    assert (again.counts["unchanged"], again.counts["written"]) == (2, 0)
    assert read_tree(tmp_path) == written
    removed = remove_keywords(tmp_path, is_writing=True)
    assert (removed.counts["written"], removed.counts["removed"]) == (1, 1)
    assert read_tree(tmp_path) == before


def test_a_photo_that_lost_its_labels_loses_its_keywords(tmp_path):
    photo = make_photo(tmp_path, "a.jpg")
    run(tmp_path, [photo])
    assert run(tmp_path, [photo], keywords={}).counts["removed"] == 1
    assert not (tmp_path / "a.jpg.xmp").exists()


def test_removing_also_finds_the_sidecars_of_photos_that_are_gone_or_named_otherwise(tmp_path):
    run(tmp_path, [make_photo(tmp_path, "a.jpg")])
    run(tmp_path, [make_photo(tmp_path, "b.jpg")], naming="stem")
    (tmp_path / "a.jpg").unlink()
    (tmp_path / "b.xmp").rename(tmp_path / "b.XMP")
    assert remove_keywords(tmp_path, is_writing=True).counts["removed"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["b.jpg"]


def test_two_photos_do_not_share_a_sidecar(tmp_path):
    photos = [make_photo(tmp_path, "a.jpg"), make_photo(tmp_path, "a.png", image_id="id-b")]
    report = run(tmp_path, photos, naming="stem")
    assert report.counts["written"] == 1
    assert "is the sidecar of a.jpg already; use --naming full" in report.problems[0]


def test_what_is_wrong_with_one_sidecar_is_said_and_the_others_are_written(tmp_path):
    names = ["gone.jpg", "edited.jpg", "broken.jpg", "folder.jpg", "x" * 250 + ".jpg", "fine.jpg"]
    photo = make_photo(tmp_path, *names)
    (tmp_path / "gone.jpg").unlink()
    (tmp_path / "edited.jpg").write_bytes(b"other pixels")
    (tmp_path / "broken.jpg.xmp").write_bytes(b"not XML")
    (tmp_path / "folder.jpg.xmp").mkdir()
    before = read_tree(tmp_path)
    report = run(tmp_path, [photo])
    assert report.changed == [tmp_path / "fine.jpg.xmp"]
    reasons = ["No such file", "has changed since it was labelled", "is not XML", "is not a file", "too long"]
    assert len(report.problems) == len(reasons)
    for name, problem, reason in zip(names, report.problems, reasons, strict=False):
        assert name in problem
        assert reason in problem
    after = read_tree(tmp_path)
    assert {path: after[path] for path in before} == before
    assert after.keys() - before.keys() == {tmp_path / "fine.jpg.xmp"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_problem_and_nothing_else(tmp_path):
    photo = make_photo(tmp_path, "locked/a.jpg")
    (tmp_path / "locked").chmod(0o555)
    report = run(tmp_path, [photo])
    (tmp_path / "locked").chmod(0o755)
    assert "Permission denied" in report.problems[0]


def test_a_sidecar_that_another_program_changes_meanwhile_is_left_alone(tmp_path):
    photo = make_photo(tmp_path, "a.jpg")
    sidecar = tmp_path / "a.jpg.xmp"
    sidecar.write_bytes(DARKTABLE)
    theirs = DARKTABLE.replace(b'"4"', b'"5"')

    class OvertakenPaths(tuple):
        """Looked at once the sidecar was read: now the other program saves."""

        def __bool__(self):
            sidecar.write_bytes(theirs)
            return True

    overtaken = Keywords(OvertakenPaths(FOOD["id-a"].paths), ("food",))
    report = run(tmp_path, [photo], keywords={"id-a": overtaken})
    assert "changed by another program" in report.problems[0]
    assert sidecar.read_bytes() == theirs
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "a.jpg.xmp"]


def test_a_linked_sidecar_is_written_where_it_lies(tmp_path):
    photo = make_photo(tmp_path / "library", "a.jpg")
    kept = tmp_path / "kept.xmp"
    kept.write_bytes(DARKTABLE)
    (tmp_path / "library" / "a.jpg.xmp").symlink_to(kept)
    run(tmp_path / "library", [photo])
    assert (tmp_path / "library" / "a.jpg.xmp").is_symlink()
    assert b"vibe-photos|scene|food" in kept.read_bytes()


def test_a_library_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(LibraryError, match="--root"):
        run(tmp_path / "missing", [])
    with pytest.raises(LibraryError, match="--root"):
        remove_keywords(tmp_path / "missing", is_writing=True)


@pytest.mark.parametrize("naming", ["full", "stem"])
@pytest.mark.parametrize("theirs", ["a.xmp", "a.jpg.xmp"])
def test_a_sidecar_of_another_program_gets_our_keywords_and_no_second_one_hides_it(tmp_path, theirs, naming):
    """Immich reads `a.jpg.xmp` and then no `a.xmp` (its documentation, XMP sidecars)."""
    photo = make_photo(tmp_path, "a.jpg")
    (tmp_path / theirs).write_bytes(DARKTABLE)
    before = read_tree(tmp_path)
    run(tmp_path, [photo], naming=naming)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a.jpg", theirs])
    written = (tmp_path / theirs).read_bytes()
    assert b'xmp:Rating="4"' in written
    assert b"vibe-photos|scene|food" in written
    assert run(tmp_path, [photo], naming=naming).counts["unchanged"] == 1
    remove_keywords(tmp_path, is_writing=True)
    assert read_tree(tmp_path) == before


def test_two_sidecars_of_others_both_stay_and_the_one_read_first_gets_our_keywords(tmp_path):
    photo = make_photo(tmp_path, "a.jpg")
    for name in ("a.xmp", "a.jpg.xmp"):
        (tmp_path / name).write_bytes(DARKTABLE)
    run(tmp_path, [photo], naming="stem")
    assert (tmp_path / "a.xmp").read_bytes() == DARKTABLE
    assert b"vibe-photos" in (tmp_path / "a.jpg.xmp").read_bytes()


def test_a_sidecar_that_came_after_ours_is_not_hidden_by_it(tmp_path):
    photo = make_photo(tmp_path, "a.jpg")
    run(tmp_path, [photo])
    (tmp_path / "a.xmp").write_bytes(DARKTABLE)
    assert run(tmp_path, [photo]).counts == {"written": 1, "removed": 1}
    assert not (tmp_path / "a.jpg.xmp").exists()
    assert run(tmp_path, [photo]).counts["unchanged"] == 1


def test_one_sidecar_of_two_photos_is_written_for_one_and_said_for_the_other(tmp_path):
    photos = [make_photo(tmp_path, "a.jpg"), make_photo(tmp_path, "a.png", image_id="id-b")]
    (tmp_path / "a.xmp").write_bytes(DARKTABLE)
    for _ in range(2):
        report = run(tmp_path, photos, {**FOOD, "id-b": to_keywords(["scene.people"])})
        assert ["a.xmp is the sidecar of a.jpg already" in problem for problem in report.problems] == [True]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "a.png", "a.xmp"]


def test_remove_reaches_linked_folders_and_ends_in_a_loop_of_links(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    photo = make_photo(elsewhere, "a.jpg")
    root.mkdir()
    (root / "linked").symlink_to(elsewhere)
    (root / "again").symlink_to(elsewhere)
    (elsewhere / "loop").symlink_to(root)
    before = read_tree(elsewhere)
    run(root, [Photo(image_id="id-a", rel_path="linked/a.jpg", bytes=photo.bytes, format="JPEG")])
    assert len(read_tree(elsewhere)) == 2
    assert remove_keywords(root, is_writing=True).counts["removed"] == 1
    assert read_tree(elsewhere) == before


def test_a_photo_that_was_replaced_by_one_of_the_same_size_gets_no_keywords(tmp_path):
    first = make_photo(tmp_path, "a.jpg")
    data = bytearray(PIXELS.getvalue())
    photo = Photo(
        image_id=xxhash.xxh3_128_hexdigest(data), rel_path="a.jpg", bytes=first.bytes, format="JPEG"
    )
    keywords = {photo.image_id: FOOD["id-a"]}
    data[-3] ^= 1
    (tmp_path / "a.jpg").write_bytes(data)
    report = run(tmp_path, [photo], keywords)
    assert "a.jpg: the file has changed since the scan" in report.problems[0]
    assert not (tmp_path / "a.jpg.xmp").exists()
    (tmp_path / "a.jpg").write_bytes(PIXELS.getvalue())
    assert run(tmp_path, [photo], keywords).counts["written"] == 1
