"""The routes of the review page: pages, photos and the JSON API; and what is answered when something fails.

The page gets sentences without paths; the terminal gets the details.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from vibe_photos.errors import DecodeError, StoreError, VibePhotosError
from vibe_photos.review import api
from vibe_photos.review.photo_images import SIZES_PX, PhotoImages
from vibe_photos.review.service import ReviewService

T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]

MAX_BODY_BYTES = 1 << 20

_PAGES = {"/": "audit.html", "/mistakes": "grid.html", "/photos": "grid.html"}
_PHOTO_CACHING = {"Cache-Control": "private, max-age=3600, immutable"}

_NOT_WRITTEN = (
    "This was not recorded: the terminal says why (for example a full disk). Fix it, then do it again here; "
    "nothing needs to be started again"
)
_UNREADABLE = (
    "A file that this page needs cannot be read any more: the terminal says which, and why. Fix it, then "
    "do this again here; nothing needs to be started again"
)
_DECODE_ERRORS = {
    "missing": "the file does not exist any more",
    "unreadable": "the file cannot be read",
    "empty": "the file is empty",
    "not_an_image": "the file is not a picture",
    "too_many_pixels": "it has more pixels than are allowed",
    "truncated": "the file is cut off",
    "damaged": "the file is damaged",
    "changed": "the file has changed since the scan: run dvc repro",
}

log = logging.getLogger(__name__)


def build_app(service: ReviewService, images: PhotoImages) -> Starlette:
    """Return the application that serves one reviewer; `server.Gate` keeps all others out."""
    templates = Environment(
        loader=PackageLoader("vibe_photos.review"), autoescape=True, undefined=StrictUndefined
    )
    queries: dict[str, Callable[[api.PhotosQuery], object]] = {
        "photos": service.list_photos,
        "chips": service.count_chips,
        "matrix": service.compare,
        "map": service.encode_map,
    }
    application = Starlette(
        routes=[
            *(
                Route(path, _page(templates.get_template(name).render(path=path)))
                for path, name in _PAGES.items()
            ),
            Mount("/static", StaticFiles(packages=[("vibe_photos.review", "static")])),
            Route("/photo/{id}", _photo(service, images)),
            _get("session", lambda request: service.open_session()),
            *(_query(name, answer) for name, answer in queries.items()),
            _get("photo/{id}", lambda request: service.show_photo(request.path_params["id"])),
            _get("photo/{id}/student", lambda request: service.show_student(request.path_params["id"])),
            _post("decisions", api.DecisionsRequest, lambda body: service.decide(body.decisions)),
            _post("skip", api.NoteRequest, lambda body: service.note(body, "skip")),
            _post("remark", api.NoteRequest, lambda body: service.note(body, "remark")),
            _post("undo", api.Request, lambda body: service.undo()),
        ],
        exception_handlers={
            Exception: _answer_error,
            HTTPException: _answer_error,
            VibePhotosError: _answer_error,
        },
    )
    application.router.redirect_slashes = False
    return application


def _page(html: str) -> Endpoint:
    async def send(request: Request) -> Response:
        return HTMLResponse(html)

    return send


def _photo(service: ReviewService, images: PhotoImages) -> Endpoint:
    async def send(request: Request) -> Response:
        photo = service.find_photo(request.path_params["id"])
        edge_px = SIZES_PX.get(request.query_params.get("size", "1600"))
        if edge_px is None:
            raise api.Refusal(HTTPStatus.BAD_REQUEST, f"size is one of {', '.join(SIZES_PX)}")
        # Shielded, because other requests may wait for the same photo.
        jpeg = await asyncio.shield(asyncio.wrap_future(images.request_jpeg(photo, edge_px)))
        return Response(jpeg, media_type="image/jpeg", headers=_PHOTO_CACHING)

    return send


def _get(path: str, answer: Callable[[Request], object]) -> Route:
    async def send(request: Request) -> Response:
        return _encode(await run_in_threadpool(answer, request))

    return Route(f"/api/{path}", send, methods=["GET"])


def _query(path: str, answer: Callable[[api.PhotosQuery], object]) -> Route:
    return _get(path, lambda request: answer(_read_query(request)))


def _post(path: str, kind: type[T], answer: Callable[[T], object]) -> Route:
    async def send(request: Request) -> Response:
        try:
            body = msgspec.json.decode(await _read_body(request), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise api.Refusal(HTTPStatus.BAD_REQUEST, str(error)) from None
        return _encode(await run_in_threadpool(answer, body))

    return Route(f"/api/{path}", send, methods=["POST"])


def _encode(reply: object, status: int = HTTPStatus.OK) -> Response:
    if isinstance(reply, bytes):
        return Response(reply, media_type="application/octet-stream")
    return Response(msgspec.json.encode(reply), status, media_type="application/json")


def _read_query(request: Request) -> api.PhotosQuery:
    values = {name: value for name, value in request.query_params.items() if value}
    try:
        return msgspec.convert(values, api.PhotosQuery, strict=False)
    except msgspec.ValidationError as error:
        raise api.Refusal(HTTPStatus.BAD_REQUEST, str(error)) from None


async def _read_body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise api.Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise api.Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too long")
    return bytes(body)


async def _answer_error(request: Request, error: Exception) -> Response:
    status, sentence = (
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something went wrong in the server: the terminal says what",
    )
    if isinstance(error, api.Refusal):
        status, sentence = error.status, str(error)
    elif isinstance(error, ClientDisconnect):
        status = HTTPStatus.BAD_REQUEST
    elif isinstance(error, HTTPException):
        status, sentence = HTTPStatus(error.status_code), HTTPStatus(error.status_code).phrase
    elif isinstance(error, DecodeError):
        said = _DECODE_ERRORS.get(error.reason, error.reason.replace("_", " "))
        status, sentence = HTTPStatus.UNPROCESSABLE_ENTITY, f"This photo cannot be shown: {said}"
    elif isinstance(error, VibePhotosError):
        log.error("error: %s", error)
        sentence = _NOT_WRITTEN if isinstance(error, StoreError) else _UNREADABLE
    return _encode({"error": sentence}, status)
