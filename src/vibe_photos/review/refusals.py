"""Error replies for the page: sentences without paths; the terminal gets the details."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from vibe_photos.errors import DecodeError, StoreError, VibePhotosError
from vibe_photos.review.replies import Problem, Refusal

log = logging.getLogger(__name__)

_NOT_WRITTEN = (
    "This was not recorded: the terminal says why (for example a full disk). Fix it, then do it again here; "
    "nothing needs to be started again"
)
_UNREADABLE = (
    "A file that this page needs cannot be read any more: the terminal says which, and why. Fix it, then "
    "do this again here; nothing needs to be started again"
)
_FAILED = "Something went wrong in the server: the terminal says what"

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


def answer_json(value: object, status: int = HTTPStatus.OK) -> Response:
    """Return a reply of the JSON API."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def refuse(status: HTTPStatus, error: str) -> Refusal:
    """Return the error to raise for a request that cannot be granted."""
    return Refusal(status, Problem(error=error))


async def _answer_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return answer_json(error.problem, error.status)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answer_json(Problem(error=HTTPStatus(error.status_code).phrase), error.status_code)


async def _answer_decode_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DecodeError)
    said = _DECODE_ERRORS.get(error.reason, error.reason.replace("_", " "))
    problem = Problem(error=f"This photo cannot be shown: {said}", reason=error.reason)
    return answer_json(problem, HTTPStatus.UNPROCESSABLE_ENTITY)


def _answer_failure(sentence: str) -> Callable[[Request, Exception], Any]:
    async def answer(request: Request, error: Exception) -> Response:
        log.error("error: %s", error)
        return answer_json(Problem(error=sentence), HTTPStatus.INTERNAL_SERVER_ERROR)

    return answer


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    # Starlette raises the error again, and uvicorn logs it.
    return answer_json(Problem(error=_FAILED), HTTPStatus.INTERNAL_SERVER_ERROR)


async def _answer_disconnect(request: Request, error: Exception) -> Response:
    return Response(status_code=HTTPStatus.BAD_REQUEST)


EXCEPTION_HANDLERS: Mapping[Any, Any] = {
    Refusal: _answer_refusal,
    HTTPException: _answer_http_error,
    DecodeError: _answer_decode_error,
    StoreError: _answer_failure(_NOT_WRITTEN),
    VibePhotosError: _answer_failure(_UNREADABLE),
    ClientDisconnect: _answer_disconnect,
    Exception: _answer_unexpected,
}
"""For Starlette; it uses the handler of the nearest base class."""
