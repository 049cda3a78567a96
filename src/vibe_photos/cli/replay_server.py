"""Rehearse a night: recorded answers over HTTP.

Serve recorded answers as an OpenAI-compatible server on this machine, to rehearse a run without a GPU.
"""

from vibe_photos.annotate.replay.server import add_arguments, run

__all__ = ["add_arguments", "run"]
