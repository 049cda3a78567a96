"""What all commands of `vibe-photos` share: their help, and how they end."""

import os
import re
import subprocess
import sys

import pytest

from vibe_photos import cli
from vibe_photos.cli import main
from vibe_photos.cli.command import command
from vibe_photos.errors import InputError

COMMANDS = [
    *(
        "calibrate",
        "check",
        "compare",
        "export",
        "export-xmp",
        "import-annotations",
        "import-human",
        "label-studio",
        "new",
    ),
    *("pilot", "predict", "publish", "repair-store", "replay-server", "restore-decisions", "review", "share"),
    *("suspects", "thresholds", "try-encoders", "update"),
]


def show_help(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_every_command_is_listed_with_a_line(capsys):
    listed = re.findall(r"^    ([a-z-]+)\s+(?=[A-Z])", show_help(capsys), flags=re.MULTILINE)
    assert sorted(listed) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_describes_itself(capsys, command):
    usage, description, *_ = show_help(capsys, command).split("\n\n")
    assert usage.startswith(f"usage: vibe-photos {command}")
    assert description.endswith((".", "\n"))
    assert len(description) > 60
    summary = " ".join(description.split()).partition(". ")[0]
    assert "".join(summary.split()) in "".join(show_help(capsys).split())


@pytest.mark.parametrize("is_buffered", [True, False])
def test_a_reader_that_has_left_ends_a_command_without_a_traceback(is_buffered):
    program = (
        "import sys; from vibe_photos import cli; from vibe_photos.cli.command import command;"
        "cli.COMMANDS.append(command('two-lines')(lambda: print('first\\nsecond'))); "
        "sys.exit(cli.main(['two-lines']))"
    )
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", program],
            stdout=writing,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": "" if is_buffered else "1"},
            check=False,
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


def failing(error):
    @command("stand-in")
    def stand_in():
        """Stand in for a command."""
        raise error

    return [stand_in]


def test_an_expected_error_is_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(cli, "COMMANDS", failing(InputError("params.yaml does not exist")))
    assert main(["stand-in"]) == 1
    assert capsys.readouterr().err == "error: params.yaml does not exist\n"


def test_another_broken_pipe_is_not_hidden(monkeypatch):
    monkeypatch.setattr(cli, "COMMANDS", failing(BrokenPipeError("of a server")))
    with pytest.raises(BrokenPipeError, match="of a server"):
        main(["stand-in"])
