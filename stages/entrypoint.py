"""The start of every stage: compose the configuration with Hydra, check it, run one function."""

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import hydra
from composition import (
    CONF,
    GROUPS,
    arrange_arguments,
    compose_once,
    list_choices,
    name_of,
    to_recorded_settings,
)
from hydra.errors import HydraException
from omegaconf import DictConfig

from vibe_photos.errors import VibePhotosError
from vibe_photos.storage.local_store import find_store
from vibe_photos.terminal import log_to_terminal, show_error

_USAGE = """
Usage: python {script} [GROUP=CHOICE ...] [KEY=VALUE ...] [OPTION ...]

  GROUP=CHOICE   use another file of conf/<group>/ than `use:` in params.yaml says:
{choices}
  KEY=VALUE      set another value for any key, e.g. sample.size=50 or paths.labels=other.sqlite
  --cfg job      show the configuration this run would use, and stop (--package sample: only that section)
  --info         show what Hydra composes it from
  --hydra-help   show Hydra's other options

Keys and their meaning: conf/config.yaml. What you usually change: params.yaml. With DVC: dvc repro.
Run it from the repository's root; it needs no DVC."""


def run_stage(function: Callable[..., None]) -> None:
    """Run a stage's function with the checked settings, and with the store's folder if it takes that too.

    An error that a person can fix ends the process with its message and status 1, without traceback.
    """
    takes_store = len(inspect.signature(function).parameters) > 1

    def run(composed: DictConfig) -> None:
        settings = to_recorded_settings(composed)
        function(settings, find_store()) if takes_store else function(settings)

    run_composed(run, function.__doc__ or "")


def run_composed(function: Callable[[DictConfig], None], description: str) -> None:
    """Run a function on what Hydra composes from conf/, params.yaml and the command line."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        choices = "\n".join(f"                   {group}={'|'.join(list_choices(group))}" for group in GROUPS)
        summary = re.split("\n(?:Args|Raises):", inspect.cleandoc(description))[0].strip()
        print(summary + "\n" + _USAGE.format(script=sys.argv[0], choices=choices))
        return

    def task(composed: DictConfig) -> None:
        log_to_terminal()
        with _short_errors(VibePhotosError):
            function(composed)

    with _short_errors(VibePhotosError):
        sys.argv[1:] = arrange_arguments(sys.argv[1:])
    # Hydra's own errors are about the arguments; HYDRA_FULL_ERROR=1 shows their traceback.
    with _short_errors(*(() if os.environ.get("HYDRA_FULL_ERROR") == "1" else (HydraException, ValueError))):
        if any(word[:1] == "-" or name_of(word).startswith("hydra") for word in sys.argv[1:]):
            hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(task)()
            return
        composed = compose_once(sys.argv[1:])
    task(composed)


@contextmanager
def _short_errors(*expected: type[Exception]) -> Iterator[None]:
    """Turn an expected error into its message on stderr and exit status 1."""
    try:
        yield
    except expected as error:
        show_error(error)
        sys.exit(1)
