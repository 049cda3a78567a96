"""What must not reach the review page: the real server on a real socket, with every header forged."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.unit.review.review_library import read_settings, write_review_library
from tests.unit.review.running_review import Reply, RunningReview

from vibe_photos.records.ground_truth import ALL_LABELS
from vibe_photos.review.server import HEADERS

SECRET = "what lies beside the photos"
SCRIPTS = [
    "<script>alert(1)<%2fscript>.jpg",
    '"><img src=x onerror=alert(1)>.jpg',
    "' onmouseover='alert(1)'.jpg",
    "javascript:alert(1).jpg",
    "<svg onload=alert(1)>.jpg",
    "{{ 7 * 7 }}{% raw %}.jpg",
    "${alert(1)}`-alert(1)-`.jpg",
    "<!--<script>.jpg",
    "\u202egpj.exe\u2028alert(1).jpg",
    "&lt;script&gt;alert(1)&#60;.jpg",
]
"""As names of photos; as the teacher's words and as notes too."""

TRAVERSALS = [
    "../secret.txt",
    "../../secret.txt",
    "../../../../../../etc/passwd",
    "..%2fsecret.txt",
    "..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "..%252fsecret.txt",
    "..\\secret.txt",
    "..%5csecret.txt",
    "..%c0%afsecret.txt",
    "..%c1%9csecret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "..%ef%bc%8fsecret.txt",
    "....//secret.txt",
    "..;/secret.txt",
    ".%00./secret.txt",
    "secret.txt%00.js",
    "%00",
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "file:///etc/passwd",
    "file:%2f%2f%2fetc%2fpasswd",
    ".",
    "..",
    "",
    "./api.js/../../../__init__.py",
    "../templates/audit.html",
]
PREFIXES = ["photo/", "static/", "api/photo/"]
UNSAFE_METHODS = ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "library"
    (folder / "photos").mkdir(parents=True)
    (folder / "secret.txt").write_text(SECRET)
    (folder / "photos" / "secret.txt").write_text(SECRET)
    write_review_library(folder, repository, SCRIPTS, len(SCRIPTS), [f"scene.{name}" for name in SCRIPTS])
    return folder


@pytest.fixture(scope="module")
def review(folder: Path) -> Iterator[RunningReview]:
    with RunningReview(folder, "--reviewer", "ada") as running:
        yield running


@pytest.fixture(scope="module")
def image_id(folder: Path) -> str:
    return str(json.loads(read_settings(folder).paths.photos.read_text().splitlines()[0])["image_id"])


def list_routes(image_id: str) -> list[tuple[str, str]]:
    gets = ["", "mistakes", "photos", "static/api.js", f"photo/{image_id}", "nothing/here", "api/nothing"]
    gets += [f"api/{name}" for name in ("session", "photos", "chips", "matrix", "map")]
    gets += [f"api/photo/{image_id}", f"api/photo/{image_id}/student"]
    posts = [f"api/{name}" for name in ("decisions", "skip", "remark", "undo", "nothing")]
    return [*(("GET", path) for path in gets), *(("POST", path) for path in posts)]


def body_for(image_id: str, path: str) -> bytes:
    decision = {"image_id": image_id, "version": 0, "after": {"scene": "scene.food"}}
    bodies = {
        "api/decisions": {"decisions": [decision]},
        "api/skip": {"image_id": image_id},
        "api/remark": {"image_id": image_id},
    }
    return json.dumps(bodies.get(path, {})).encode()


def is_refused(reply: Reply) -> bool:
    """A refusal that tells nothing: not even whether there is such a path."""
    return reply.status == 403 and reply.body.startswith(b"This address is not open") and has_headers(reply)


def has_headers(reply: Reply) -> bool:
    is_open = any(name.startswith("access-control") for name in reply.headers)
    return not is_open and all(reply.headers.get(name.lower()) == value for name, value in HEADERS.items())


def assert_nothing_was_decided(folder: Path) -> None:
    assert (folder / "data" / "human" / "decisions" / "ada.jsonl").read_bytes() == b""


def forge(review: RunningReview, image_id: str, origin: str | None, **headers: str) -> dict[str, Reply]:
    """Send every route a request with an Origin and further headers."""
    host = headers.pop("host", None)
    given = headers | ({} if origin is None else {"Origin": origin})
    replies = {}
    for method, path in list_routes(image_id):
        body = body_for(image_id, path) if method == "POST" else b""
        typed = {"Content-Type": "application/json"} if body else {}
        target = f"/{review.token}/{path}"
        replies[f"{method} {path}"] = review.send(method, target, {**given, **typed}, body, host=host)
    return replies


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:{other}",
        "0.0.0.0:{port}",
        "[::1]:{port}",
        "127.1:{port}",
        "127.0.0.1.evil.example:{port}",
        "localhost.evil.example:{port}",
        "localhost.:{port}",
        "evil.example@127.0.0.1:{port}",
        "127.0.0.1:{port}.evil.example",
        "",
    ],
)
def test_another_host_name_reaches_no_route(
    review: RunningReview, folder: Path, image_id: str, host: str
) -> None:
    """DNS rebinding: the attacker's page asks its own name, which now points here, with its own Origin."""
    forged = host.format(port=review.port, other=review.port + 1)
    for origin in (f"http://{forged}", review.origin):
        replies = forge(review, image_id, origin, host=forged)
        assert [name for name, reply in replies.items() if not is_refused(reply)] == []
    assert_nothing_was_decided(folder)


def test_no_host_or_two_hosts_are_refused(review: RunningReview) -> None:
    target = f"/{review.token}/api/session"
    right = f"Host: 127.0.0.1:{review.port}\r\n"
    for head in (
        f"GET {target} HTTP/1.0\r\n\r\n",
        f"GET {target} HTTP/1.1\r\n{right}Host: evil.example\r\nConnection: close\r\n\r\n",
        f"GET http://evil.example{target} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    ):
        reply = review.send_bytes(head.encode())
        assert reply.status in (400, 403)
        assert b"reviewer" not in reply.body


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:{other}",
        "https://127.0.0.1:{port}",
        "http://localhost:{port}",
        "http://127.0.0.1:{port}.evil.example",
        "http://127.0.0.1:{port}/",
        "file://",
    ],
)
def test_another_origin_reaches_no_route(
    review: RunningReview, folder: Path, image_id: str, origin: str
) -> None:
    forged = origin.format(port=review.port, other=review.port + 1)
    replies = forge(review, image_id, forged)
    assert [name for name, reply in replies.items() if not is_refused(reply)] == []
    assert_nothing_was_decided(folder)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_a_link_or_picture_on_another_page_reaches_no_route(
    review: RunningReview, folder: Path, image_id: str, site: str
) -> None:
    for origin in (None, review.origin):
        replies = forge(review, image_id, origin, **{"Sec-Fetch-Site": site})
        assert [name for name, reply in replies.items() if not is_refused(reply)] == []
    assert_nothing_was_decided(folder)


def test_a_post_without_origin_is_refused(review: RunningReview, folder: Path, image_id: str) -> None:
    replies = forge(review, image_id, None)
    posts = {name: reply for name, reply in replies.items() if name.startswith("POST")}
    assert [name for name, reply in posts.items() if not is_refused(reply)] == []
    gets = {reply.status for name, reply in replies.items() if name.startswith("GET")}
    assert gets == {200, 404}
    assert_nothing_was_decided(folder)


@pytest.mark.parametrize(
    "token",
    ["", "x", "{short}", "{token}x", "{swapped}", "%00{token}", "..%2f{token}", "../{token}", "static"],
)
def test_without_the_token_every_route_is_refused(
    review: RunningReview, folder: Path, image_id: str, token: str
) -> None:
    right = review.token
    forged = token.format(token=right, short=right[:-1], swapped=right.swapcase())
    for method, path in list_routes(image_id):
        headers = {"Origin": review.origin, "Content-Type": "application/json"}
        reply = review.send(method, f"/{forged}/{path}", headers, body_for(image_id, path))
        assert is_refused(reply), (method, path, reply)
    assert is_refused(review.send("GET", f"/{right}"))
    assert is_refused(review.send("GET", f"/?token={right}"))
    assert_nothing_was_decided(folder)


@pytest.mark.parametrize("method", UNSAFE_METHODS)
def test_other_methods_give_nothing(review: RunningReview, folder: Path, image_id: str, method: str) -> None:
    for _, path in list_routes(image_id):
        target = f"/{review.token}/{path}"
        reply = review.send(method, target, {"Origin": review.origin})
        assert (reply.status, reply.body) == (405, b""), (path, reply)
        assert has_headers(reply)
        preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
        assert review.send(method, target, preflight).status == 403
    assert_nothing_was_decided(folder)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("payload", TRAVERSALS)
def test_no_path_leads_out(review: RunningReview, folder: Path, prefix: str, payload: str) -> None:
    reply = review.get(prefix + payload)
    assert reply.status in (400, 404)
    assert has_headers(reply)
    assert SECRET.encode() not in reply.body
    assert str(folder).encode() not in reply.body
    assert b"root:" not in reply.body


def test_photos_go_by_id_and_not_by_name(review: RunningReview, folder: Path) -> None:
    for name in (*SCRIPTS, "secret.txt"):
        assert review.get(f"photo/{quote(name, safe='')}").status == 404


def test_photos_are_new_pictures(review: RunningReview, image_id: str) -> None:
    for size in ("320", "1600", "full"):
        reply = review.get(f"photo/{image_id}?size={size}")
        assert reply.headers["content-type"] == "image/jpeg"
        assert has_headers(reply)
        assert b"SECRET-DESCRIPTION" not in reply.body


def test_pages_hold_nothing_of_the_library_and_no_script_of_their_own(review: RunningReview) -> None:
    for path in ("", "mistakes", "photos"):
        page = review.get(path)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert has_headers(page)
        text = page.body.decode()
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", text)
        assert not any(name in text for name in SCRIPTS)
        assert review.token not in text


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_scripts_in_names_teacher_and_notes_stay_data(
    folder: Path, number: int, review: RunningReview
) -> None:
    """Whoever says it, it comes back as JSON with exactly that text, which no browser takes for a page."""
    payload = SCRIPTS[number]
    truths = (read_settings(folder).paths.auto / ALL_LABELS).read_text().split("\n")
    image_id = json.loads(truths[number])["image_id"]
    view = review.get(f"api/photo/{image_id}")
    assert view.json()["rel_path"] == payload
    assert view.json()["teacher"]["scene"] == f"scene.{payload}"
    found = review.get(f"api/photos?text={quote(payload, safe='')}")
    assert [item["rel_path"] for item in found.json()["items"]] == [payload]
    for reply in (
        view,
        found,
        review.get("api/photos?list=all&by=final"),
        review.get(f"api/photos?label={quote(payload)}"),
    ):
        assert reply.headers["content-type"] == "application/json"
        assert has_headers(reply)


def test_scripts_in_notes_come_back_as_they_are(folder: Path, image_id: str) -> None:
    with RunningReview(folder, "--reviewer", "bob") as review:
        for version, note in enumerate(SCRIPTS, start=1):
            reply = review.post("api/remark", {"image_id": image_id, "note": note})
            assert reply.json()["versions"] == {image_id: version}
            assert review.get(f"api/photo/{image_id}").json()["note"] == note
        decided = {"image_id": image_id, "version": 10, "after": {"scene": SCRIPTS[0]}}
        refused = review.post("api/decisions", {"decisions": [decided]})
        assert refused.status == 422
        assert refused.json()["error"].startswith(f"unknown label key {SCRIPTS[0]!r}")
    (folder / "data" / "human" / "decisions" / "bob.jsonl").unlink()


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_a_giant_body_is_refused(review: RunningReview, folder: Path, chunked: bool) -> None:
    headers = {"Origin": review.origin, "Content-Type": "application/json"}
    body = b'{"note": "' + b"x" * (4 << 20) + b'"}'
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
        body = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    reply = review.send("POST", f"/{review.token}/api/decisions", headers, body)
    assert reply.status == 413
    assert_nothing_was_decided(folder)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"image_id": 1}',
        b'\xff\xfe{"',
        b'{"decisions": [{"image_id": "x", "version": 1e400, "after": {}}]}',
        b"[" * 100_000,
        b'{"decisions": [{"image_id": "x", "version": 0, "after": {}, "note": "\\ud800"}]}',
        b'{"decisions": [{"image_id": "x", "version": 0, "after": {}, "surprise": 1}]}',
    ],
    ids=range(10),
)
def test_a_malformed_body_is_told_so(review: RunningReview, folder: Path, body: bytes) -> None:
    headers = {"Origin": review.origin, "Content-Type": "application/json"}
    reply = review.send("POST", f"/{review.token}/api/decisions", headers, body)
    assert reply.status in (400, 404)
    assert reply.json().keys() == {"error"}
    assert_nothing_was_decided(folder)


def test_a_form_cannot_post(review: RunningReview, folder: Path, image_id: str) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        headers = {"Origin": review.origin, "Content-Type": media_type}
        reply = review.send(
            "POST", f"/{review.token}/api/decisions", headers, body_for(image_id, "api/decisions")
        )
        assert reply.status == 415
    assert_nothing_was_decided(folder)


def test_folders_are_not_listed(review: RunningReview) -> None:
    for path in ("static", "static/", "photo", "photo/", "api", "api/", "templates/", "photos/"):
        assert review.get(path).status == 404


def test_the_page_itself_gets_through(review: RunningReview, image_id: str) -> None:
    for host in (f"127.0.0.1:{review.port}", f"localhost:{review.port}"):
        for headers in ({}, {"Sec-Fetch-Site": "none"}, {"Origin": f"http://{host}"}):
            reply = review.send("GET", f"/{review.token}/api/session", headers, host=host)
            assert reply.json()["reviewer"] == "ada"
            assert reply.headers["cache-control"] == "no-store"


def test_nothing_of_all_this_was_logged(review: RunningReview) -> None:
    """The last test of this module: whatever was asked, the terminal holds no token and no traceback."""
    assert review.token not in review.errors.read_text()
    assert "Traceback" not in review.errors.read_text()
