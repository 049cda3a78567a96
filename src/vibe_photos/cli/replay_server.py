"""Rehearse a run without a GPU: recorded answers over HTTP.

Run an OpenAI-compatible server on this machine that answers stage annotate with recorded answers.
"""

from vibe_photos.annotate.replay.server import add_arguments, run

__all__ = ["add_arguments", "run"]
