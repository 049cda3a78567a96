"""How every stage starts: compose the configuration with Hydra, check it, run one function."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import cleandoc

from composition import CONF, choose_groups, to_settings
from omegaconf import DictConfig

from vibe_photos.errors import VibePhotosError
from vibe_photos.settings import Settings

_USAGE = """
Usage: python {script} [GROUP=CHOICE ...] [KEY=VALUE ...] [--cfg job]

  GROUP=CHOICE   another file of conf/<group>/ than `use:` in params.yaml says, e.g. teacher=qwen3_vl_32b
  KEY=VALUE      another value for any key, e.g. sample.size=50 or paths.{example}
  --cfg job      show the configuration this run would use, and stop
  --info         show what Hydra composes it from

Keys and their meaning: conf/config.yaml. What you usually change: params.yaml. With DVC: dvc repro.
Run it from the repository's root; it needs no DVC."""


def run_stage(function: Callable[[Settings], None]) -> None:
    """Run a stage's function with the checked configuration; an expected error ends it without traceback."""
    run_composed(lambda composed: function(to_settings(composed)), function.__doc__ or "")


def run_composed(function: Callable[[DictConfig], None], description: str) -> None:
    """Run a function on what Hydra composes from conf/, params.yaml and the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(cleandoc(description) + "\n" + _USAGE.format(script=sys.argv[0], example="labels=other.sqlite"))
        return
    with _errors_for_people():
        sys.argv[1:] = choose_groups(sys.argv[1:])

    def task(composed: DictConfig) -> None:
        with _errors_for_people():
            function(composed)

    import hydra

    hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(task)()


@contextmanager
def _errors_for_people() -> Iterator[None]:
    """Turn an expected error into its message on stderr and exit status 1."""
    try:
        yield
    except VibePhotosError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
