"""A command is a function: its docstring is the help, its parameters are the options that it declares."""

from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_MAX_LINES = 40

AddOption = Callable[[ArgumentParser], None]


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name of one or two words, its function, its options.

    `uses_human_truth`: whether it first warns of decisions that are missing in `data/human/`.
    """

    name: str
    run: Callable[..., None]
    options: tuple[AddOption, ...]
    uses_human_truth: bool


def command(
    name: str, *options: AddOption, uses_human_truth: bool = False
) -> Callable[[Callable[..., None]], Command]:
    """Make a command of a function; `vibe-photos --help` lists it with the first line of its docstring."""
    return lambda run: Command(name, run, options, uses_human_truth)


def option(*names: str, **settings: Any) -> AddOption:
    """Declare an option, as for `ArgumentParser.add_argument`."""

    def add(parser: ArgumentParser) -> None:
        parser.add_argument(*names, **settings)

    return add


def flag(name: str, what: str) -> AddOption:
    """Declare an option without a value."""
    return option(name, action="store_true", help=what)


def one_of(*options: AddOption) -> AddOption:
    """Declare options that exclude each other."""

    def add(parser: ArgumentParser) -> None:
        group = parser.add_mutually_exclusive_group()
        for add_option in options:
            add_option(group)  # type: ignore[arg-type]

    return add


def print_some(lines: Sequence[str], start: str = "") -> None:
    """Print the first 40 lines, each after `start`, and how many more there are."""
    for line in cut(lines):
        print(f"{start}{line}")


def cut(lines: Sequence[str]) -> list[str]:
    """Return the first 40 lines, and if there are more, a line that says how many."""
    more = len(lines) - _MAX_LINES
    return [*lines[:_MAX_LINES], *([f"... and {more} more"] if more > 0 else [])]
