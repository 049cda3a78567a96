"""Is the teacher there, and does it serve the model? Asked before anything is paid; nothing is sent."""

import asyncio
import os
from http import HTTPStatus

from vibe_photos.annotate.client import CONNECT_SECONDS, Client, NoResponse
from vibe_photos.annotate.endpoint import Endpoint, endpoint_from_environment
from vibe_photos.annotate.reply import read_error, read_models
from vibe_photos.errors import TeacherRefused, TeacherUnreachable
from vibe_photos.settings import Settings


def check_teacher(settings: Settings) -> str:
    """Ask the configured server for its list of models; return what it says, for a person.

    Raises:
        ConfigurationError: the environment does not fit the configuration.
        TeacherUnreachable: no server answers at the address.
        TeacherRefused: it refuses the key, or lists models and not this one.
    """
    endpoint = endpoint_from_environment(os.environ, settings.teacher, settings.annotate)
    return asyncio.run(_ask_for_model(endpoint, settings.teacher.model))


async def _ask_for_model(endpoint: Endpoint, model: str) -> str:
    address = endpoint.base_url
    async with Client(endpoint, 1) as client:
        try:
            response = await client.list_models(CONNECT_SECONDS)
        except NoResponse as error:
            raise TeacherUnreachable(
                f"no server answers at QWEN_BASE_URL, {address}: {error}. Start it, or fix the address"
            ) from None
    if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise TeacherRefused(
            f"{address} does not accept the key: check QWEN_API_KEY. It says: {read_error(response.content)}"
        )
    models, is_simulated = read_models(response.content) if response.status == HTTPStatus.OK else ([], False)
    if is_simulated:
        return f"{address} replays simulated answers: a rehearsal, which is kept apart"
    if not models:
        return f"{address} answers, and does not list its models: `--ask` shows whether it serves {model}"
    if model not in models:
        raise TeacherRefused(
            f"{address} serves {', '.join(models[:10])}, not {model}: start it with that model, or choose "
            "another one (use.teacher, teacher.model)"
        )
    return f"{address} serves {model}"
