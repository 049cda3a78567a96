"""Whole runs in this process, against real servers on loopback."""

import errno
import io
import logging
import os
import shutil
import signal
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import xxhash
from tests.unit.annotate.fault_server import Act, FaultServer, completion, error
from tests.unit.annotate.small_library import MakeSettings, draw_bursts

from vibe_photos.annotate.answers import AnswerKey, AnswerStore
from vibe_photos.annotate.question import build_question
from vibe_photos.annotate.replay import start_replay_server
from vibe_photos.annotate.run import Progress
from vibe_photos.annotate.stage import annotate_library
from vibe_photos.errors import (
    ConfigurationError,
    InputError,
    LibraryError,
    RunInterrupted,
    StoreError,
    TeacherRefused,
    TeacherUnreachable,
    TooManyFailures,
)
from vibe_photos.records.failures import Failure, mark_for_retry
from vibe_photos.records.ground_truth import RawAnnotation
from vibe_photos.records.photos import Photo, permanent_number
from vibe_photos.records.pictures import KnownPicture
from vibe_photos.settings import Replay, Settings
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl


def rank(photos: list[Photo]) -> list[str]:
    return sorted((photo.image_id for photo in photos), key=lambda image_id: permanent_number(42, image_id))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / ".store"


def annotations(settings: Settings) -> list[RawAnnotation]:
    return list(read_jsonl(settings.paths.raw_annotations, RawAnnotation))


def failures(settings: Settings) -> list[Failure]:
    return list(read_jsonl(settings.paths.raw_annotations.with_name("failures.jsonl"), Failure))


def log_lines(store: Path) -> list[str]:
    (log,) = store.glob("answers/*/*.jsonl")
    return log.read_text().splitlines()


def outs(settings: Settings) -> list[bytes]:
    raw = settings.paths.raw_annotations
    return [
        path.read_bytes()
        for path in (raw, raw.with_name("failures.jsonl"), settings.paths.eval / "annotate.json")
    ]


def run(settings: Settings, store: Path, server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_BASE_URL", server.base_url)
    annotate_library(settings, store)


def test_every_photo_is_asked_about_once_and_written_in_manifest_order(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    with FaultServer(lambda image_id, attempt: Act(delay_seconds=int(image_id[0], 16) / 100)) as server:
        run(settings, store, server, monkeypatch)
        assert server.asked == Counter(photo.image_id for photo in library)
        first = outs(settings)
        run(settings, store, server, monkeypatch)
    assert server.asked.total() == 12  # the second run paid nothing
    assert outs(settings) == first
    assert [record.image_id for record in annotations(settings)] == [photo.image_id for photo in library]
    record = annotations(settings)[0]
    assert record.server_path == record.image_path == f"{settings.library.root}/IMG_0000.jpg"
    assert record.annotation == {"scene": "food", "has_person": False, "objects": []}
    assert (record.model, record.created_at) == ("Qwen/Qwen3-VL-32B-Instruct", 1755000000)
    metric = msgspec.json.decode((settings.paths.eval / "annotate.json").read_bytes())
    assert (metric["photos"], metric["answered"], metric["prompt_tokens"]) == (12, 12, 1200)
    assert metric["failed"] == dict.fromkeys(metric["failed"], 0)
    assert failures(settings) == []


def test_an_answer_follows_a_picture_whose_file_was_rewritten(
    make_settings: MakeSettings,
    library: list[Photo],
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Photo 0 got a rating and photo 1 was turned: only the turned one is asked about again."""
    caplog.set_level(logging.INFO)
    settings = make_settings()
    with FaultServer(lambda image_id, attempt: Act()) as server:
        run(settings, store, server, monkeypatch)
        before = [record.annotation for record in annotations(settings)]
        new = []
        for photo in library[:2]:
            path = Path(settings.library.root) / photo.rel_path
            data = path.read_bytes()
            path.write_bytes(data[:2] + b"\xff\xfe\0\x06five" + data[2:])
            image_id = xxhash.xxh3_128_hexdigest(path.read_bytes())
            new.append(msgspec.structs.replace(photo, image_id=image_id, bytes=path.stat().st_size))
        write_jsonl(settings.paths.photos, [*new, *library[2:]])
        known = [KnownPicture(image_id=one.image_id, picture=one.rel_path) for one in (*library, new[0])]
        turned = KnownPicture(image_id=new[1].image_id, picture=new[1].rel_path, rendering="turned")
        write_jsonl(settings.paths.photos.with_name("pictures.jsonl"), [*known, turned])
        server.asked.clear()
        run(settings, store, server, monkeypatch)
        assert server.asked == Counter({new[1].image_id: 1})
        assert "1 picture answered before, in another file: not asked again" in caplog.text
        (store / "answers").rename(store / "gone")  # as on a colleague's machine, which has the outs alone
        server.asked.clear()
        run(settings, store, server, monkeypatch)
    assert not server.asked
    assert [record.image_id for record in annotations(settings)][:2] == [one.image_id for one in new]
    assert [record.annotation for record in annotations(settings)] == before


def test_a_picture_in_several_files_is_asked_about_once(
    make_settings: MakeSettings,
    library: list[Photo],
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The first three files are one picture, as with ratings; so are the next two, but the last is turned."""
    caplog.set_level(logging.INFO)
    looks = [("a", ""), ("a", ""), ("a", ""), ("b", ""), ("b", "turned")]
    known = [
        KnownPicture(image_id=photo.image_id, picture=picture, rendering=rendering)
        for photo, (picture, rendering) in zip(library, looks, strict=False)
    ]
    write_jsonl(make_settings().paths.photos.with_name("pictures.jsonl"), known)
    annotate_library(make_settings(annotate={"dry_run": True}), store)
    assert "12 photos, 2 already paid, 0 unreadable, 10 requests" in caplog.text
    unreadable, asked, spared = (photo.image_id for photo in library[:3])
    (Path(make_settings().library.root) / library[0].rel_path).write_bytes(b"gone")
    with FaultServer(lambda image_id, attempt: Act()) as server:
        run(make_settings(), store, server, monkeypatch)
    assert server.asked == Counter(photo.image_id for photo in library[1:]) - Counter([spared])
    assert asked in server.asked
    assert len(annotations(make_settings())) == 12
    assert [unreadable, spared] == [line.split('"')[3] for line in log_lines(store)[-2:]]


def test_photos_that_change_places_after_the_scan_are_not_sent(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    root = Path(settings.library.root)
    first = library[0]
    other = next(photo for photo in library[1:] if photo.bytes == first.bytes)
    (root / first.rel_path).rename(root / "x")
    (root / other.rel_path).rename(root / first.rel_path)
    (root / "x").rename(root / other.rel_path)
    with FaultServer(lambda image_id, attempt: Act()) as server, pytest.raises(TooManyFailures):
        run(settings, store, server, monkeypatch)
    assert server.asked.keys() == {photo.image_id for photo in library} - {first.image_id, other.image_id}
    assert {(one.image_id, one.kind) for one in failures(settings)} == {
        (first.image_id, "unreadable"),
        (other.image_id, "unreadable"),
    }
    assert "changed: the file has changed since the scan" in failures(settings)[0].detail


def test_the_summary_says_to_which_pixels_the_answers_were_given(
    make_settings: MakeSettings,
    library: list[Photo],
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Three answers from elsewhere, four given to version 1, five to version 2; none is asked for twice."""
    caplog.set_level(logging.INFO)
    settings = make_settings()
    prompt_id = build_question(settings.teacher, settings.taxonomy).prompt_id
    brought = {"model": settings.teacher.model, "prompt_id": prompt_id, "annotation": {"scene": "food"}}
    ranked = rank(library)
    write_jsonl(
        settings.paths.raw_annotations, [{"image_id": image_id, **brought} for image_id in ranked[:3]]
    )
    with FaultServer(lambda image_id, attempt: Act()) as server:
        monkeypatch.setattr("vibe_photos.annotate.run.PIXELS_VERSION", 1)
        run(make_settings(annotate={"budget": 7}), store, server, monkeypatch)
        monkeypatch.setattr("vibe_photos.annotate.run.PIXELS_VERSION", 2)
        run(settings, store, server, monkeypatch)
        assert server.asked == Counter(ranked[3:])
    (*_, first), (*_, last) = (line.split("; ") for line in caplog.messages if line.startswith("annotate: "))
    assert first == "4 with pixel version 1, 3 without a pixel version"
    assert last == "4 with pixel version 1, 5 with pixel version 2, 3 without a pixel version"
    assert b"pixel" not in b"".join(outs(settings))


def test_no_server_is_needed_where_everything_is_paid(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer(lambda image_id, attempt: Act()) as server:
        run(make_settings(), store, server, monkeypatch)
    monkeypatch.delenv("QWEN_BASE_URL")
    annotate_library(make_settings(), store)


def test_another_model_is_asked_anew_and_swapping_back_pays_nothing(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_settings(), make_settings(teacher={"model": "other"})
    with FaultServer(lambda image_id, attempt: Act()) as server:
        run(first, store, server, monkeypatch)
        before = outs(first)
        run(second, store, server, monkeypatch)
        run(first, store, server, monkeypatch)
    assert server.asked.total() == 24
    assert outs(first) == before


def test_a_larger_budget_asks_exactly_the_difference(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranked = rank(library)
    with FaultServer(lambda image_id, attempt: Act()) as server:
        for budget, asked in ((3, ranked[:3]), (8, ranked[3:8]), (5, []), (None, ranked[8:])):
            server.asked.clear()
            settings = make_settings(annotate={"budget": budget})
            run(settings, store, server, monkeypatch)
            assert server.asked == Counter(asked)
            covered = ranked[:budget]
            answered = [record.image_id for record in annotations(settings)]
            assert answered == [photo.image_id for photo in library if photo.image_id in covered]
            assert failures(settings) == []


def test_of_a_burst_one_photo_is_asked_and_represents_the_others(
    make_settings: MakeSettings, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = draw_bursts(tmp_path / "photos", bursts=4, frames=3)
    write_jsonl(tmp_path / "data/library/photos.jsonl", photos)
    ranked = sorted(photos, key=lambda photo: permanent_number(42, photo.image_id))
    first_of = {photo.rel_path[0]: photo for photo in reversed(ranked)}
    leaders = sorted(first_of.values(), key=ranked.index)
    with FaultServer(lambda image_id, attempt: Act()) as server:
        for budget, asked in ((2, leaders[:2]), (3, leaders[2:3]), (None, leaders[3:])):
            server.asked.clear()
            settings = make_settings(annotate={"budget": budget, "bursts": "once"})
            run(settings, store, server, monkeypatch)
            assert server.asked == Counter(photo.image_id for photo in asked)
            end = ranked.index(leaders[budget - 1]) + 1 if budget else len(ranked)
            assert {one.image_id: one.represented_by for one in failures(settings)} == {
                photo.image_id: first_of[photo.rel_path[0]].image_id
                for photo in ranked[:end]
                if photo not in leaders
            }
        metric = msgspec.json.decode((settings.paths.eval / "annotate.json").read_bytes())
        assert (metric["photos"], metric["answered"], metric["represented"]) == (4, 4, 8)
        monkeypatch.delenv("QWEN_BASE_URL")
        with pytest.raises(ConfigurationError, match="QWEN_BASE_URL"):  # they did not fail: they are new
            annotate_library(make_settings(annotate={"bursts": "all"}), store)
        run(make_settings(annotate={"bursts": "all"}), store, server, monkeypatch)
    assert len(annotations(settings)) == 12


def test_bursts_are_not_guessed_where_the_photos_are_missing(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(annotate={"bursts": "once"})
    shutil.move(settings.library.root, f"{settings.library.root}.away")
    with (
        FaultServer(lambda image_id, attempt: Act()) as server,
        pytest.raises(LibraryError, match="bursts: once needs the pixels of 12 photos"),
    ):
        run(settings, store, server, monkeypatch)
    assert not server.asked


def test_every_failure_is_written_with_its_kind_and_a_rerun_asks_about_those_only(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(annotate={"max_failed_share": 0.6, "max_attempts": 1})
    ids = [photo.image_id for photo in library]
    acts = {
        ids[1]: Act(422, error("odd")),
        ids[2]: Act(then="reset"),
        ids[3]: Act(body=completion("no JSON at all")),
        ids[4]: Act(body=completion('{"scene": "fo', "length")),
    }
    (Path(settings.library.root) / library[0].rel_path).write_bytes(b"")
    broken = Path(settings.library.root) / library[5].rel_path
    broken.write_bytes(broken.read_bytes()[:40] + bytes(library[5].bytes - 40))
    with FaultServer(lambda image_id, attempt: acts.get(image_id, Act())) as server:
        run(settings, store, server, monkeypatch)
    failed = {failure.image_id: failure for failure in failures(settings)}
    assert [failed[image_id].kind for image_id in ids[:6]] == [
        "unreadable",
        "refused",
        "no_answer",
        "unparsable",
        "length",
        "unreadable",
    ]
    assert failed[ids[3]].reply == "no JSON at all"
    assert failed[ids[4]].reply == '{"scene": "fo'
    assert len(annotations(settings)) == 6
    with FaultServer(lambda image_id, attempt: Act()) as server:
        run(settings, store, server, monkeypatch)
    assert sorted(server.asked) == sorted(ids[1:5])
    assert [failure.image_id for failure in failures(settings)] == [ids[0], ids[5]]


def test_a_reply_that_broke_off_is_asked_for_once_more_with_a_larger_cap(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(image_id: str, attempt: int) -> Act:
        asked = msgspec.json.decode(server.requests[-1].body)
        return Act(body=completion('{"scene": "fo', "length")) if asked["max_tokens"] < 1000 else Act()

    settings = make_settings(annotate={"concurrency": 1})
    with FaultServer(play) as server:
        run(settings, store, server, monkeypatch)
    assert set(server.asked.values()) == {2}
    assert len(annotations(settings)) == 12


def test_a_reply_that_would_never_end_is_not_paid_for_twice(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = Act(body=completion('{"scene":' + " \n" * 300, "length"))
    with FaultServer(lambda image_id, attempt: endless) as server, pytest.raises(TooManyFailures):
        run(make_settings(), store, server, monkeypatch)
    assert set(server.asked.values()) == {1}
    assert {failure.kind for failure in failures(make_settings())} == {"length"}
    assert all("disable_any_whitespace" in failure.detail for failure in failures(make_settings()))


BROKEN = {
    "not a multimodal model": (Act(400, error("Qwen/Qwen3-32B is not a multimodal model")), 3),
    "use max_completion_tokens": (Act(400, error("'max_tokens' is unknown, use max_completion_tokens")), 3),
    "context length (1024)": (Act(400, error("maximum context length (1024)")), 3),
    "the reply is empty": (Act(body=completion("")), 1),
    "--reasoning-parser": (Act(body=completion().replace(b'"content":"', b'"reasoning":"')), 1),
    "content filter": (Act(body=completion("", "content_filter")), 1),
    "still thinking": (Act(body=completion("<think>Let me", "length")), 2),
    "disable_any_whitespace": (Act(body=completion('{"scene":' + " " * 700, "length")), 1),
    "without end": (Act(body=completion("!" * 700, "length")), 1),
    "'I see a dog.'": (Act(body=completion("I see a dog.")), 1),
    "stream of events": (Act(body=b'data: {"choices": []}\n\ndata: [DONE]\n\n'), 3),
    "upstream failed": (Act(body=error("upstream failed")), 3),
}


@pytest.mark.parametrize(("words", "act", "requests"), [(words, *each) for words, each in BROKEN.items()])
def test_a_broken_server_costs_a_few_photos_only(
    make_settings: MakeSettings,
    library: list[Photo],
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    act: Act,
    requests: int,
) -> None:
    probes_are_answered = lambda image_id, attempt: Act() if image_id == "probe" else act  # noqa: E731
    with (
        FaultServer(probes_are_answered) as server,
        pytest.raises(
            TeacherRefused, match=r"5 photos in a row got no usable answer.*annotate\.max_failures_in_a_row"
        ) as told,
    ):
        run(make_settings(annotate={"max_failures_in_a_row": 5}), store, server, monkeypatch)
    assert words in str(told.value)
    del server.asked["probe"]
    assert len(server.asked) == 5
    assert max(server.asked.values()) == requests


def test_failures_in_a_row_also_end_a_run_that_was_good_until_then(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(image_id: str, attempt: int) -> Act:
        return Act() if len(server.asked) <= 4 else Act(422, error("odd"))

    settings = make_settings(annotate={"max_failures_in_a_row": 5, "concurrency": 1})
    with (
        FaultServer(play) as server,
        pytest.raises(TeacherRefused, match=r"The last one: status 422: odd\. Check"),
    ):
        run(settings, store, server, monkeypatch)
    assert len(server.asked) == 9
    with FaultServer(lambda image_id, attempt: Act()) as server:
        run(settings, store, server, monkeypatch)
    assert len(server.asked) == 8


def test_what_failed_for_the_servers_reasons_is_asked_about_again_at_the_end(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [photo.image_id for photo in library]

    def play(image_id: str, attempt: int) -> Act:
        if image_id == ids[0]:
            return Act(500, error("out of memory")) if len(server.asked) < 12 else Act()
        return Act(500, error("odd")) if image_id == ids[1] else Act()

    settings = make_settings(annotate={"concurrency": 1, "max_failed_share": 0.1})
    with FaultServer(play) as server:
        run(settings, store, server, monkeypatch)
    assert server.asked[ids[0]] == 4
    assert server.asked[ids[1]] == 5
    assert [request.image_id for request in server.requests if request.image_id in ids[:2]] == [
        *[ids[0]] * 3,
        *[ids[1]] * 3,
        ids[0],
        *[ids[1]] * 2,
    ]
    (failure,) = failures(settings)
    assert (failure.image_id, failure.kind) == (ids[1], "no_answer")
    assert failure.detail == "no answer in 5 attempts; the last: status 500: odd"


def test_steps_to_a_looser_format_take_nothing_from_the_second_pass(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = library[0].image_id

    def play(image_id: str, attempt: int) -> Act:
        if b"response_format" in server.requests[-1].body:
            return Act(400, error("no grammar"))
        return Act(500) if image_id == first and len(server.asked) < 12 else Act()

    with FaultServer(play) as server:
        run(make_settings(annotate={"concurrency": 1}), store, server, monkeypatch)
    assert server.asked[first] == 6  # two formats that are refused, three failures, and the answer
    assert not failures(make_settings())


def test_the_name_that_the_server_signs_with_is_kept_beside_the_configured_one(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = completion().replace(b'"created"', b'"model": "gateway/qwen", "created"')
    with FaultServer(lambda image_id, attempt: Act(body=signed)) as server:
        run(make_settings(annotate={"model_aliases": ["gateway/qwen"]}), store, server, monkeypatch)
    log = next(store.rglob("*.jsonl")).read_text()
    assert log.count('"model":"Qwen/Qwen3-VL-32B-Instruct"') == 12
    assert log.count('"served_model":"gateway/qwen"') == 12


def test_a_disk_without_room_stops_the_run_before_anything_is_paid_for(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage
    free = iter([1 << 40] * 4)
    monkeypatch.setattr(
        "vibe_photos.annotate.run.shutil.disk_usage",
        lambda path: real(path)._replace(free=next(free, 20 << 20)),
    )
    settings = make_settings(annotate={"concurrency": 2})
    with (
        FaultServer(lambda image_id, attempt: Act()) as server,
        pytest.raises(StoreError, match="has 20 MiB left"),
    ):
        run(settings, store, server, monkeypatch)
    assert server.asked.total() == 4
    monkeypatch.undo()
    with FaultServer(lambda image_id, attempt: Act()) as server:
        run(settings, store, server, monkeypatch)
    assert server.asked.total() == 8  # the four answers were kept


@pytest.mark.parametrize("fault", ["too many open files", "folder gone", "folder empty"])
def test_a_machine_that_can_read_no_photo_stops_the_run_and_no_photo_is_called_unreadable(
    make_settings: MakeSettings,
    library: list[Photo],
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    settings = make_settings()

    def fail(*_: object) -> bytes:
        if fault.startswith("folder"):
            Path(settings.library.root).rename(Path(settings.library.root).with_name("elsewhere"))
            if fault == "folder empty":
                Path(settings.library.root).mkdir()
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("vibe_photos.annotate.run.prepare_jpeg", fail)
    with (
        FaultServer(lambda image_id, attempt: Act()) as server,
        pytest.raises(LibraryError, match="ulimit -n"),
    ):
        run(make_settings(annotate={"workers": 1}), store, server, monkeypatch)
    assert not server.asked
    assert not settings.paths.raw_annotations.exists()


def test_too_many_failures_fail_the_stage_after_everything_was_written(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    ids = [photo.image_id for photo in library]
    with (
        FaultServer(
            lambda image_id, attempt: Act(422, error("odd")) if image_id == ids[0] else Act()
        ) as server,
        pytest.raises(TooManyFailures, match=r"1 of 12 photos.*1 refused.*failures\.jsonl"),
    ):
        run(settings, store, server, monkeypatch)
    assert len(annotations(settings)) == 11


def test_a_wrong_key_stops_the_run_and_is_written_nowhere(
    make_settings: MakeSettings,
    library: list[Photo],
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also where the server says the key back, at DEBUG, and in the answers themselves."""
    key = "canary-key-9921"
    monkeypatch.setenv("QWEN_API_KEY", key)
    settings = make_settings(annotate={"concurrency": 2, "max_failed_share": 1.0})
    echo = f'{{"scene": "food", "objects": [{{"name_free": "{key}"}}]}}'

    def play(image_id: str, attempt: int) -> Act:
        if len(server.requests) < 3:
            return Act(body=completion(echo))
        if len(server.requests) < 5:
            return Act(400, error(f"bad {key}"))
        return Act(401, error(f"wrong key {key}"))

    with (
        caplog.at_level(logging.DEBUG),
        FaultServer(play) as server,
        pytest.raises(TeacherRefused, match="QWEN_API_KEY") as caught,
    ):
        run(settings, store, server, monkeypatch)
    assert len(server.requests) <= 6  # two in flight when the first was refused
    assert all(request.headers["authorization"] == f"Bearer {key}" for request in server.requests)
    assert key not in caplog.text + "".join(traceback.format_exception(caught.value))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if key.encode() in path.read_bytes()]


def test_an_unreachable_server_leaves_the_outs_as_they_were(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    write_jsonl(settings.paths.raw_annotations, [{"image_id": "x", "annotation": {"scene": "food"}}])
    before = settings.paths.raw_annotations.read_bytes()
    monkeypatch.setenv("QWEN_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(TeacherUnreachable, match="QWEN_BASE_URL"):
        annotate_library(settings, store)
    assert settings.paths.raw_annotations.read_bytes() == before


@pytest.fixture
def failed_once(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """A run in which the library's first photo failed, for a reason that can pass."""
    settings, bad = make_settings(annotate={"max_failed_share": 0.5, "max_attempts": 1}), library[0].image_id
    with FaultServer(lambda image_id, attempt: Act(500 if image_id == bad else 200)) as server:
        run(settings, store, server, monkeypatch)
    return settings


def test_photos_that_failed_before_wait_for_a_server_that_is_off(
    failed_once: Settings, store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = outs(failed_once)
    assert mark_for_retry(failed_once.paths.raw_annotations) == 1
    monkeypatch.setenv("QWEN_BASE_URL", "http://127.0.0.1:9/v1")
    annotate_library(failed_once, store)
    assert "failed before and stay without an answer: no server answers at QWEN_BASE_URL" in caplog.text
    assert outs(failed_once) == before
    assert mark_for_retry(failed_once.paths.raw_annotations) == 1  # the next scan makes them due again


def test_a_failed_photo_whose_file_was_rewritten_needs_no_server(
    failed_once: Settings,
    library: list[Photo],
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings, (bad, *others) = failed_once, library
    (failed,) = failures(settings)
    rewritten = msgspec.structs.replace(bad, image_id="ab" * 16, rel_path="renamed.jpg")
    known = [KnownPicture(image_id=one.image_id, picture="same") for one in (bad, rewritten)]
    write_jsonl(settings.paths.photos.with_name("pictures.jsonl"), known)
    write_jsonl(settings.paths.photos, [rewritten, *others])
    monkeypatch.delenv("QWEN_BASE_URL")
    annotate_library(settings, store)
    assert "QWEN_BASE_URL is not set: 1 photos stay without an answer" in caplog.text
    assert failures(settings) == [
        msgspec.structs.replace(failed, image_id=rewritten.image_id, rel_path=rewritten.rel_path)
    ]
    assert mark_for_retry(settings.paths.raw_annotations) == 1  # with a server, the next scan makes it due
    new = msgspec.structs.replace(bad, image_id="cd" * 16)
    write_jsonl(settings.paths.photos, [rewritten, new, *others])
    with pytest.raises(ConfigurationError, match="QWEN_BASE_URL"):
        annotate_library(settings, store)


def test_a_library_whose_answers_have_ids_of_another_hash_is_not_paid_for_again(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    prompt_id = build_question(settings.teacher, settings.taxonomy).prompt_id
    answer = {"image_id": "44bc2cf5ad770999", "model": settings.teacher.model, "prompt_id": prompt_id}
    write_jsonl(settings.paths.raw_annotations, [{**answer, "annotation": {"scene": "food"}}])
    with FaultServer(lambda image_id, attempt: Act()) as server:
        with pytest.raises(ConfigurationError, match="content_hash: xxh64"):
            run(settings, store, server, monkeypatch)
        assert server.asked.total() == 0


def test_without_an_address_the_run_says_so(
    make_settings: MakeSettings, library: list[Photo], store: Path
) -> None:
    with pytest.raises(ConfigurationError, match="QWEN_BASE_URL"):
        annotate_library(make_settings(), store)


def test_a_limit_on_open_files_is_raised_or_named(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [(256, 4096), (256, 300)]
    set_to = []
    monkeypatch.setattr("resource.getrlimit", lambda _: limits.pop(0))
    monkeypatch.setattr("resource.setrlimit", lambda _, limit: set_to.append(limit))
    settings = make_settings(annotate={"concurrency": 256})
    with FaultServer(lambda image_id, attempt: Act()) as server:
        run(settings, store, server, monkeypatch)
        with pytest.raises(ConfigurationError, match=r"allows 300.*lower annotate\.concurrency"):
            run(
                make_settings(annotate={"concurrency": 256}, teacher={"model": "b"}),
                store,
                server,
                monkeypatch,
            )
    assert set_to == [(320, 4096), (300, 300)]


def test_a_second_run_ends_at_once_having_sent_nothing(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    question = build_question(settings.teacher, settings.taxonomy)
    with FaultServer(lambda image_id, attempt: Act()) as server, AnswerStore(store) as answer_store:
        answer_store.of(AnswerKey(settings.teacher.model, question.prompt_id))
        with pytest.raises(StoreError, match="held by another run"):
            run(settings, store, server, monkeypatch)
    assert not server.requests


def test_a_disk_that_fails_stops_the_run_and_counts_nothing_unsynced(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's fsync fails after its fifth call; only what was in flight then may be asked again."""
    settings = make_settings(annotate={"concurrency": 2})
    calls = 0

    def fail(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 5:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        original(descriptor)

    original = os.fsync
    with FaultServer(lambda image_id, attempt: Act()) as server:
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(StoreError, match="Input/output error"):
            run(settings, store, server, monkeypatch)
        monkeypatch.setattr(os, "fsync", original)
        assert not settings.paths.raw_annotations.exists()
        assert server.asked.total() < 12
        run(settings, store, server, monkeypatch)
    assert len(annotations(settings)) == 12
    assert max(server.asked.values()) <= 2
    assert sum(asked == 2 for asked in server.asked.values()) <= 2


def interrupt_when(server: FaultServer, requests: int) -> threading.Thread:
    """Send this process a Ctrl-C once the server was asked so often."""

    def wait_and_interrupt() -> None:
        while len(server.requests) < requests:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=wait_and_interrupt)
    thread.start()
    return thread


def test_ctrl_c_lets_what_is_in_flight_end_and_says_how_to_go_on(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(annotate={"concurrency": 4})
    with FaultServer(lambda image_id, attempt: Act(delay_seconds=0.3)) as server:
        interrupter = interrupt_when(server, 4)
        with pytest.raises(RunInterrupted, match=r"4 answers are kept\. Run the same command again"):
            run(settings, store, server, monkeypatch)
        interrupter.join()
        assert server.asked.total() == 4
        run(settings, store, server, monkeypatch)
    assert server.asked.total() == 12
    assert len(annotations(settings)) == 12


@pytest.mark.parametrize("step", ["choose_photos", "write_metric"])
def test_a_ctrl_c_while_nothing_is_asked_says_how_to_go_on(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"vibe_photos.annotate.stage.{step}", interrupt)
    with (
        FaultServer(lambda image_id, attempt: Act()) as server,
        pytest.raises(RunInterrupted, match="Run the same command again"),
    ):
        run(make_settings(), store, server, monkeypatch)


def test_a_second_ctrl_c_drops_what_is_in_flight(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(annotate={"concurrency": 4})
    with FaultServer(lambda image_id, attempt: Act(then="stall")) as server:
        first = interrupt_when(server, 4)
        second = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
        second.start()
        with pytest.raises(RunInterrupted, match="0 answers are kept"):
            run(settings, store, server, monkeypatch)
        first.join()
        second.join()


def test_a_ctrl_c_after_a_refusal_does_not_hide_it(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(image_id: str, attempt: int) -> Act:
        is_first = len(server.requests) == 1
        return Act(401, error("bad key"), delay_seconds=0.5) if is_first else Act(then="stall")

    interrupt_when_told_of_it = lambda *_: os.kill(os.getpid(), signal.SIGINT)  # noqa: E731
    monkeypatch.setattr("vibe_photos.annotate.run.logger.warning", interrupt_when_told_of_it)
    with FaultServer(play) as server, pytest.raises(TeacherRefused, match="status 401: bad key"):
        run(make_settings(annotate={"concurrency": 2}), store, server, monkeypatch)


def test_failures_that_cannot_be_read_say_how_to_go_on(
    make_settings: MakeSettings, library: list[Photo]
) -> None:
    raw = make_settings().paths.raw_annotations
    write_jsonl(raw.with_name("failures.jsonl"), [{"image_id": "x"}])
    with pytest.raises(InputError, match=r"failures\.jsonl, line 1: .*dvc checkout --force .* or delete it"):
        mark_for_retry(raw)


def test_the_line_on_a_terminal_never_wraps_and_begins_with_the_trouble(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    Progress(3000, lambda: "waiting for the server (no connection)", stream=terminal, done=1200).show()
    assert terminal.getvalue() == "\rannotate waiting for the server (no connection): done=1200 \x1b[K"


def test_an_output_from_elsewhere_is_taken_into_the_store_before_anything_is_asked(
    make_settings: MakeSettings, library: list[Photo], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    with FaultServer(lambda image_id, attempt: Act()) as server:
        run(settings, store, server, monkeypatch)
        before = outs(settings)
        shutil.rmtree(store)
        run(settings, store, server, monkeypatch)
        assert outs(settings) == before
        assert server.asked.total() == 12
        other = make_settings(teacher={"model": "other"})
        shutil.rmtree(store)
        run(other, store, server, monkeypatch)  # it overwrites the output, and keeps what was in it
        run(settings, store, server, monkeypatch)
    assert outs(settings) == before
    assert server.asked.total() == 24


def test_with_no_server_the_store_answers_and_the_rest_is_listed(
    make_settings: MakeSettings, library: list[Photo], store: Path
) -> None:
    settings = make_settings(teacher={"server": "store", "model": "imported", "prompt_id": "imported"})
    with pytest.raises(TooManyFailures, match="import-annotations"):
        annotate_library(settings, store)
    brought = [{"image_id": photo.image_id, "annotation": {"scene": "food"}} for photo in library[:3]]
    write_jsonl(settings.paths.raw_annotations, brought)
    annotate_library(settings, store)
    assert [record.rel_path for record in annotations(settings)] == [photo.rel_path for photo in library[:3]]
    assert {failure.kind for failure in failures(settings)} == {"missing"}
    assert len(failures(settings)) == 9


def test_a_dry_run_sends_and_writes_nothing(
    make_settings: MakeSettings,
    library: list[Photo],
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A photo of 64 x 48 px is 2 x 2 tokens (edges are rounded), so 12 of them are 48 and the text's."""
    settings = make_settings(annotate={"dry_run": True})
    caplog.set_level(logging.INFO)
    with FaultServer(lambda image_id, attempt: Act()) as server:
        run(settings, store, server, monkeypatch)
    assert not server.requests
    assert not settings.paths.raw_annotations.exists()
    assert not store.exists()
    assert "12 photos, 0 already paid, 0 unreadable, 12 requests" in caplog.text


def write_recordings(path: Path, library: list[Photo]) -> None:
    write_jsonl(
        path,
        [
            RawAnnotation(
                image_id=photo.image_id,
                annotation={"scene": "food", "objects": []},
                model="recorded-model",
                created_at=7,
                simulated=True,
                usage={"prompt_tokens": number},
            )
            for number, photo in enumerate(library)
        ],
    )


def test_a_replay_server_is_started_asked_and_stopped(
    make_settings: MakeSettings, library: list[Photo], store: Path, tmp_path: Path
) -> None:
    write_recordings(tmp_path / "recorded.jsonl", library)
    replay = {
        "recordings": str(tmp_path / "recorded.jsonl"),
        "error_share": 0.2,
        "rate_limit_share": 0.05,
        "retry_after_seconds": 1,
        "seed": 4,
    }
    settings = make_settings(
        teacher={"server": "replay", "model": "demo", "replay": replay}, annotate={"max_attempts": 9}
    )
    annotate_library(settings, store)
    records = annotations(settings)
    assert [record.usage for record in records] == [{"prompt_tokens": number} for number in range(12)]
    assert {(record.model, record.simulated, record.created_at) for record in records} == {("demo", True, 7)}


def test_a_rehearsal_is_kept_apart_from_the_models_own_answers(
    make_settings: MakeSettings,
    library: list[Photo],
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_recordings(tmp_path / "recorded.jsonl", library)
    settings = make_settings()
    with start_replay_server(Replay(recordings=str(tmp_path / "recorded.jsonl"))) as base_url:
        monkeypatch.setenv("QWEN_BASE_URL", base_url)
        annotate_library(settings, store)
    assert {record.model for record in annotations(settings)} == {"rehearsal of Qwen/Qwen3-VL-32B-Instruct"}
    with FaultServer(lambda image_id, attempt: Act()) as server:
        run(settings, store, server, monkeypatch)
    assert server.asked.total() == 12
    assert {record.model for record in annotations(settings)} == {"Qwen/Qwen3-VL-32B-Instruct"}
