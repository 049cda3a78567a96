"""Check that the configured teacher can be reached, before a long run."""

import asyncio
import os

from vibe_photos.annotate.client import CONNECT_SECONDS, Client
from vibe_photos.annotate.endpoint import Endpoint, endpoint_from_environment
from vibe_photos.annotate.server import TeacherServer
from vibe_photos.annotate.state import ServerState
from vibe_photos.settings import Settings


def check_teacher(settings: Settings) -> str:
    """Ask the configured server for its list of models; return the result as text.

    Raises:
        ConfigurationError: the environment does not fit the configuration.
        TeacherUnreachable: no server answers at the address.
        TeacherRefused: it refuses the key, or lists other models only.
    """
    endpoint = endpoint_from_environment(os.environ, settings.teacher, settings.annotate)
    return asyncio.run(_ask_for_models(endpoint, settings.teacher.model, settings.annotate.model_aliases))


async def _ask_for_models(endpoint: Endpoint, model: str, model_aliases: list[str]) -> str:
    address = endpoint.base_url
    async with Client(endpoint, 1) as client:
        state = ServerState(1)
        server = TeacherServer(
            client, model, "text", state, timeout_seconds=CONNECT_SECONDS, model_aliases=model_aliases
        )
        await server.check_reachable()
        if server.is_simulated:
            return f"{address} replays simulated answers: a rehearsal, whose answers are stored separately"
        server.check_model()
    if trouble := state.describe():
        return f"{address} is reachable but not ready yet: {trouble}"
    if not server.models:
        return f"{address} answers but does not list its models: `--ask` shows whether it serves {model}"
    return f"{address} serves {model}"
