"""A run in a process of its own, for tests that kill it: `python run_annotate.py SETTINGS.json STORE`."""

import sys
from pathlib import Path

import msgspec

from vibe_photos.annotate.stage import annotate_library
from vibe_photos.configuration import from_mapping

annotate_library(from_mapping(msgspec.json.decode(Path(sys.argv[1]).read_bytes())), Path(sys.argv[2]))
