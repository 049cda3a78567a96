"""Rehearse a run without a GPU: recorded answers over HTTP.

Serve recorded answers as an OpenAI-compatible server on this machine, for the stage annotate to ask.
"""

from vibe_photos.annotate.replay.server import add_arguments, run

__all__ = ["add_arguments", "run"]
