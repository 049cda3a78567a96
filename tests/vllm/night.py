"""Runs of the annotate stage as users start it, against a server, into a folder with a store of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
from tests.vllm.servers import KEY


class Night:
    """Runs over one library, one after the other; what they say is kept in `said`."""

    def __init__(self, repository: Path, folder: Path, base_url: str) -> None:
        self._repository = repository
        self._folder = folder
        self._base_url = base_url
        self._log = folder / "annotate.log"
        self._run: subprocess.Popen[bytes] | None = None

    def start(self, *overrides: str, key: str = KEY) -> "subprocess.Popen[bytes]":
        """Start a run and return its process."""
        out = self._folder / "out"
        paths = f"paths.photos={out}/photos.jsonl paths.raw_annotations={out}/raw.jsonl paths.eval={out}"
        script = [sys.executable, "stages/annotate_photos.py", "teacher=qwen3_vl_32b"]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("QWEN_")}
        environment = {
            **inherited,
            "QWEN_BASE_URL": self._base_url,
            "QWEN_API_KEY": key,
            "VIBE_PHOTOS_STORE": str(self._folder / "store"),
        }
        with self._log.open("ab") as log:
            self._run = subprocess.Popen(
                [*script, *paths.split(), *overrides], stderr=log, cwd=self._repository, env=environment
            )
        return self._run

    def run(self, *overrides: str) -> None:
        """Run to the end; it must end well."""
        assert self.start(*overrides).wait() == 0, self.said

    def kill(self) -> None:
        """End what a failed test left running."""
        if self._run is not None:
            self._run.kill()
            self._run.wait()

    @property
    def said(self) -> str:
        """What all runs wrote to stderr."""
        return self._log.read_text()

    def estimated_prompt_tokens(self, *overrides: str) -> int:
        """Return what a dry run expects."""
        self.run("annotate.dry_run=true", *overrides)
        (tokens,) = re.findall(r"dry run, nothing was sent: .*; about (\d+) prompt", self.said)
        return int(tokens)

    def answers(self) -> list[dict[str, Any]]:
        """Return the stage's raw annotations."""
        lines = (self._folder / "out/raw.jsonl").read_bytes().splitlines()
        return [msgspec.json.decode(line) for line in lines]

    def failures(self) -> str:
        """Return the stage's list of photos without an answer."""
        return (self._folder / "out/failures.jsonl").read_text()
