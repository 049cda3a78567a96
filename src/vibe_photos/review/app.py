"""The routes of the review page: pages, photos and the JSON API, with access control."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from vibe_photos.review import requests
from vibe_photos.review.access import Gate
from vibe_photos.review.photo_images import SIZES_PX, PhotoImages
from vibe_photos.review.refusals import EXCEPTION_HANDLERS, answer_json, refuse
from vibe_photos.review.service import ReviewService

T = TypeVar("T")

MAX_BODY_BYTES = 1 << 20

_PAGES = {"/": "audit.html", "/mistakes": "grid.html", "/photos": "grid.html"}
_STATIC_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}
_PHOTO_CACHING = {"Cache-Control": "private, max-age=3600, immutable"}

Endpoint = Callable[[Request], Awaitable[Response]]


def build_app(service: ReviewService, images: PhotoImages, token: str, port: int) -> ASGIApp:
    """Return the application that serves one reviewer at `http://127.0.0.1:PORT/TOKEN/`."""
    routes = [
        *_page_routes(),
        Route("/photo/{id}", _photo_endpoint(service, images)),
        _get("session", lambda request: service.open_session()),
        _get("photos", lambda request: service.list_photos(_read_query(request, requests.PhotosQuery))),
        _get("chips", lambda request: service.count_chips(_read_query(request, requests.PhotosQuery))),
        _get("matrix", lambda request: service.compare(_read_query(request, requests.PhotosQuery))),
        Route("/api/map", _map_endpoint(service)),
        _get("photo/{id}", lambda request: service.show_photo(request.path_params["id"])),
        _get("photo/{id}/student", lambda request: service.show_student(request.path_params["id"])),
        _post("decision", requests.DecisionRequest, service.decide),
        _post("decisions", requests.DecisionsRequest, lambda body: service.decide_several(body.decisions)),
        _post("skip", requests.SkipRequest, service.skip),
        _post("remark", requests.SkipRequest, service.remark),
        _post("undo", requests.UndoRequest, lambda body: service.undo()),
    ]
    application = Starlette(routes=routes, exception_handlers=EXCEPTION_HANDLERS)
    application.router.redirect_slashes = False
    return Gate(application, token, port)


def _page_routes() -> list[Route]:
    """Return the routes of the pages and of their static files, all read at the start."""
    environment = Environment(
        loader=PackageLoader("vibe_photos.review"), autoescape=True, undefined=StrictUndefined
    )
    routes = [
        Route(path, _file_endpoint(environment.get_template(name).render(path=path).encode(), "text/html"))
        for path, name in _PAGES.items()
    ]
    for path in sorted((Path(__file__).parent / "static").iterdir()):
        if path.suffix in _STATIC_TYPES:
            content = path.read_bytes()
            routes.append(Route(f"/static/{path.name}", _file_endpoint(content, _STATIC_TYPES[path.suffix])))
    return routes


def _file_endpoint(content: bytes, media_type: str) -> Endpoint:
    async def send(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return send


def _photo_endpoint(service: ReviewService, images: PhotoImages) -> Endpoint:
    async def send(request: Request) -> Response:
        photo = service.find_photo(request.path_params["id"])
        edge_px = SIZES_PX.get(request.query_params.get("size", "1600"))
        if edge_px is None:
            raise refuse(HTTPStatus.BAD_REQUEST, f"size is one of {', '.join(SIZES_PX)}")
        # Shielded, because other requests may wait for the same photo.
        jpeg = await asyncio.shield(asyncio.wrap_future(images.request_jpeg(photo, edge_px)))
        return Response(jpeg, media_type="image/jpeg", headers=_PHOTO_CACHING)

    return send


def _map_endpoint(service: ReviewService) -> Endpoint:
    async def send(request: Request) -> Response:
        points = await run_in_threadpool(service.draw_map, _read_query(request, requests.PhotosQuery))
        return Response(points, media_type="application/octet-stream")

    return send


def _get(path: str, answer: Callable[[Request], object]) -> Route:
    async def send(request: Request) -> Response:
        return answer_json(await run_in_threadpool(answer, request))

    return Route(f"/api/{path}", send, methods=["GET"])


def _post(path: str, kind: type[T], answer: Callable[[T], object]) -> Route:
    async def send(request: Request) -> Response:
        try:
            body = msgspec.json.decode(await _read_body(request), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise refuse(HTTPStatus.BAD_REQUEST, str(error)) from None
        return answer_json(await run_in_threadpool(answer, body))

    return Route(f"/api/{path}", send, methods=["POST"])


def _read_query(request: Request, kind: type[T]) -> T:
    values = {name: value for name, value in request.query_params.items() if value}
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise refuse(HTTPStatus.BAD_REQUEST, str(error)) from None


async def _read_body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too long")
    return bytes(body)
