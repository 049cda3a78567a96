"""Rehearse a run without a GPU: recorded answers over HTTP.

Run an OpenAI-compatible server on this machine that answers stage annotate with recorded answers.
"""

import argparse
from contextlib import suppress

import msgspec

from vibe_photos.errors import ConfigurationError
from vibe_photos.settings import Replay


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--recordings", required=True, help="JSONL of raw annotations to answer from")
    parser.add_argument("--port", type=int, default=0, help="port on loopback (default: a free one)")
    parser.add_argument("--latency-seconds", type=float, default=0.0, help="how long each answer takes")
    for fault in ("error", "rate-limit", "malformed", "stall"):
        parser.add_argument(f"--{fault}-share", type=float, default=0.0, help="share of requests, 0 to 1")
    parser.add_argument("--retry-after-seconds", type=int, default=1, help="Retry-After of a rate limit")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random faults")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.annotate.replay import serve_until_interrupted

    values = {name: value for name, value in vars(options).items() if name in Replay.__struct_fields__}
    try:
        replay = msgspec.convert(values, Replay)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"replay server: {error}") from None
    with suppress(KeyboardInterrupt):
        serve_until_interrupted(replay, options.port)
