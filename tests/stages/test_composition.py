"""Every configuration composes; every invalid one is refused with its key and file."""

import itertools
import os
import re
import shutil
import subprocess
import sys

import pytest

TEACHERS = ["demo", "offline", "qwen3_vl_8b", "qwen3_vl_32b"]
EMBEDDERS = ["demo_siglip", "hog", "onnx", "siglip2_b16", "siglip2_b32", "siglip2_so400m"]


@pytest.fixture(scope="module")
def checkout(repository, tmp_path_factory):
    """A plain copy of the configuration and the stages: no git, no DVC."""
    copy = tmp_path_factory.mktemp("checkout")
    for folder in ("conf", "stages"):
        shutil.copytree(repository / folder, copy / folder)
    shutil.copy(repository / "params.yaml", copy / "params.yaml")
    return copy


def run(checkout, *arguments):
    return subprocess.run(
        [sys.executable, "stages/compose_config.py", *arguments],
        cwd=checkout,
        capture_output=True,
        text=True,
        env={**os.environ, "QWEN_API_KEY": "canary-key"},
        check=False,
    )


@pytest.mark.parametrize(
    "choice", [pair for pair in itertools.zip_longest(TEACHERS, EMBEDDERS, fillvalue="demo")]
)
def test_every_choice_composes(checkout, choice):
    teacher, embedder = choice
    result = run(checkout, f"teacher={teacher}", f"embedder={embedder}")
    assert result.returncode == 0, result.stderr
    resolved = (checkout / "data" / "config" / "resolved.yaml").read_text()
    assert "canary-key" not in resolved
    assert "concurrency" not in resolved
    assert not re.search("^use:", resolved, re.MULTILINE)


def read_encoder(checkout, *arguments):
    result = run(checkout, "embedder=onnx", *arguments)
    assert result.returncode == 0, result.stderr
    (line,) = [
        line
        for line in (checkout / "data" / "config" / "resolved.yaml").read_text().splitlines()
        if line.startswith("encoder:")
    ]
    return line.removeprefix("encoder: ")


def test_the_weights_are_part_of_the_configuration(checkout):
    """Other weights in the same place are another encoder; where there are none, it stays the last one."""
    weights = checkout / "models" / "encoder.onnx"
    weights.parent.mkdir(exist_ok=True)
    weights.write_bytes(b"one")
    one = read_encoder(checkout)
    weights.write_bytes(b"other")
    other = read_encoder(checkout)
    assert one.startswith("onnx-")
    assert other.startswith("onnx-")
    assert one != other
    weights.unlink()
    assert read_encoder(checkout) == other
    assert read_encoder(checkout, "embedder.output=another") == "null"


def test_the_same_configuration_is_not_written_again(checkout):
    run(checkout)
    before = (checkout / "data" / "config" / "resolved.yaml").stat().st_mtime_ns
    run(checkout, "annotate.concurrency=99", "paths.photos=elsewhere.jsonl", "embed.device=cuda")
    assert (checkout / "data" / "config" / "resolved.yaml").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sample.siez=5"], "Key 'siez' is not in struct"),
        (["sample.size=many"], "error: sample.size in the command line: Expected `int`"),
        (["sample.size=-1"], "error: sample.size in the command line: .*>= 0"),
        (["split.holdout_share=1.5"], "error: split.holdout_share in the command line"),
        (["teacher=gpt"], "Could not find 'teacher/gpt'"),
        (["library.root=???"], "error: library.root in the command line has no value"),
        (["library.root=${oc.env:QWEN_API_KEY}"], r"error: library.root .*\$\{"),
    ],
)
def test_a_wrong_override_is_named(checkout, arguments, message):
    result = run(checkout, *arguments)
    assert result.returncode == 1

    assert re.search(message, result.stderr), result.stderr
    assert "Traceback" not in result.stderr
    assert "canary-key" not in result.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("params.yaml", "  size: 140", "  siez: 140", "sample.siez in params.yaml: no such key"),
        ("params.yaml", "  size: 140", "  size: lots", "sample.size in params.yaml: Expected `int`"),
        ("params.yaml", "teacher: demo ", "teachr: demo ", "use.teachr in params.yaml"),
        ("params.yaml", "teacher: demo ", "teacher: dmeo ", "Could not find 'teacher/dmeo'"),
        ("conf/config.yaml", "folds: 5", "folds: ???", "split.folds in conf/config.yaml has no value"),
        ("conf/config.yaml", "folds: 5", "folds: 1", "split.folds in conf/config.yaml: .*>= 2"),
        (
            "conf/teacher/demo.yaml",
            "model: demo",
            "modle: demo",
            "teacher.modle in conf/teacher/demo.yaml: no such",
        ),
        ("conf/teacher/_question.yaml", "max_tokens: 768", "max_tokens: 0", "conf/teacher/_question.yaml"),
    ],
)
def test_a_wrong_line_is_named_with_its_file(checkout, file, old, new, message):

    text = (checkout / file).read_text()
    assert old in text
    (checkout / file).write_text(text.replace(old, new, 1))
    try:
        result = run(checkout)
    finally:
        (checkout / file).write_text(text)
    assert result.returncode == 1
    assert re.search(message, result.stderr), result.stderr
    assert "Traceback" not in result.stderr


def test_outside_the_root_it_says_where_to_run(checkout):
    result = subprocess.run(
        [sys.executable, str(checkout / "stages" / "compose_config.py")],
        cwd=checkout / "conf",
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "run stages from the repository's root" in result.stderr


def test_cfg_job_shows_the_choice_of_the_command_line(checkout):
    result = run(checkout, "teacher=qwen3_vl_8b", "--cfg", "job")
    assert "model: Qwen/Qwen3-VL-8B-Instruct" in result.stdout


def test_help_says_what_the_stage_does_and_how_to_change_it(checkout):
    result = run(checkout, "--help")
    assert result.returncode == 0
    assert "data/config/resolved.yaml" in result.stdout
    assert "KEY=VALUE" in result.stdout
