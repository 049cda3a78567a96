"""Every configuration composes; every invalid one is refused with its key and file."""

import itertools
import re
import shutil
import subprocess

import msgspec
import pytest
from tests.preloaded import preloaded_environment

TEACHERS = ["demo", "offline", "qwen3_vl_8b", "qwen3_vl_32b"]
EMBEDDERS = ["demo_siglip", "hog", "onnx", "siglip2_b16", "siglip2_b16_224", "siglip2_b32", "siglip2_so400m"]


@pytest.fixture(scope="module")
def checkout(repository, tmp_path_factory, preloaded_commands):
    """A plain copy of the configuration and the stages: no git, no DVC."""
    copy = tmp_path_factory.mktemp("checkout")
    for folder in ("conf", "stages"):
        shutil.copytree(repository / folder, copy / folder)
    shutil.copy(repository / "params.yaml", copy / "params.yaml")
    return copy


def run(checkout, *arguments):
    return subprocess.run(
        ["python", "stages/compose_config.py", *arguments],
        cwd=checkout,
        capture_output=True,
        text=True,
        env=preloaded_environment() | {"QWEN_API_KEY": "canary-key"},
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
    assert read_encoder(checkout, "embedder.outputs=[another]") == "null"


def test_the_same_configuration_is_not_written_again(checkout):
    run(checkout)
    before = (checkout / "data" / "config" / "resolved.yaml").stat().st_mtime_ns
    run(checkout, "annotate.concurrency=99", "paths.photos=elsewhere.jsonl", "embed.device=cuda")
    assert (checkout / "data" / "config" / "resolved.yaml").stat().st_mtime_ns == before


def test_an_encoder_that_is_not_here_is_told_before_anything_is_paid(checkout):
    resolved = checkout / "data" / "config" / "resolved.yaml"
    arguments = ("embedder=onnx", "embedder.checkpoint=nowhere.onnx")
    first = run(checkout, *arguments)
    assert first.returncode == 0
    assert "the encoder that stage embed will need is not on this machine: nowhere.onnx" in first.stderr
    # Where its vectors were pulled it is not needed, and its name is known.
    resolved.write_text(resolved.read_text().replace("encoder: null", "encoder: onnx-1"))
    assert "not on this machine" not in run(checkout, *arguments).stderr


def test_a_resolved_file_with_a_merge_conflict_is_written_again(checkout):
    assert run(checkout).returncode == 0
    resolved = checkout / "data" / "config" / "resolved.yaml"
    before = resolved.read_bytes()
    resolved.write_bytes(b"<<<<<<< HEAD\n" + before + b"=======\n>>>>>>> theirs\n")
    result = run(checkout)
    assert result.returncode == 0, result.stderr
    assert resolved.read_bytes() == before


def read_resolved(checkout, *arguments):
    result = run(checkout, *arguments)
    assert result.returncode == 0, result.stderr
    return msgspec.yaml.decode((checkout / "data" / "config" / "resolved.yaml").read_bytes())


def test_what_the_teacher_is_told_is_a_key_that_a_definition_changes_only_if_it_is_told(checkout):
    """Stage `annotate` depends on that key and not on the definitions."""
    assert read_resolved(checkout)["definitions_told"] is None
    edit = "taxonomy.definitions={scene.food: {means: Food.}}"
    assert read_resolved(checkout, edit)["definitions_told"] is None
    told = read_resolved(checkout, "teacher.definitions=true")["definitions_told"]
    assert "- people, selfie: " in told
    edited = read_resolved(checkout, "teacher.definitions=true", edit)["definitions_told"]
    assert edited != told
    assert "- food: Food." in edited.splitlines()


def test_a_taxonomy_of_earlier_days_has_no_renamed_keys_and_no_definitions(checkout):
    file = checkout / "conf" / "taxonomy" / "m2.yaml"
    text = file.read_text()
    earlier = re.sub("(?ms)^definitions:.*?(?=^[a-z#])", "", text)
    assert "definitions:" not in re.sub("(?m)#.*$", "", earlier)
    file.write_text(re.sub("(?m)^(renamed|removed):.*$", "", earlier))
    try:
        result = run(checkout)
    finally:
        file.write_text(text)
    assert result.returncode == 0, result.stderr
    resolved = (checkout / "data" / "config" / "resolved.yaml").read_text()
    assert "  renamed: {}\n  removed: []\n" in resolved


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sample.siez=5"], "Key 'siez' is not in struct"),
        (["sample.size=many"], "error: sample.size in the command line: Expected `int`"),
        (["sample.size=-1"], "error: sample.size in the command line: .*>= 0"),
        (["split.holdout_share=1.5"], "error: split.holdout_share in the command line"),
        (
            ["teacher=gpt"],
            r"Could not find 'teacher/gpt'\s+Available options.*\s+demo\s+offline\s+qwen3_vl_32b\s+qwen",
        ),
        (["teacher=_question"], "Could not find 'teacher/_question'"),
        (["head=scenes"], "error: head in the command line: 'scenes' is not one of scene, attribute, object"),
        (["truth=people"], "error: truth in the command line: 'people' is not one of human, auto"),
        (
            ["classify.object_threshold.keyboard=2"],
            "error: classify.object_threshold.keyboard in the command line",
        ),
        (["--resolve"], "error: .*--resolve"),
        (["--info", "defaults", "--cfg", "job"], "error: Only one of"),
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
        ("params.yaml", "  size: 140", "  siez: 140", "sample.siez in params.yaml, line 14: no such key"),
        ("params.yaml", "  size: 140", "  size: lots", "sample.size in params.yaml, line 14: Expected `int`"),
        ("params.yaml", "teacher: demo ", "teachr: demo ", "use.teachr in params.yaml, line 3"),
        (
            "params.yaml",
            "teacher: demo ",
            "teacher: dmeo ",
            "use.teacher in params.yaml, line 3: 'dmeo' is not one of demo, offline, qwen",
        ),
        (
            "conf/config.yaml",
            "folds: 5",
            "folds: ???",
            r"split.folds in conf/config.yaml, line \d+ has no value",
        ),
        ("conf/config.yaml", "folds: 5", "folds: 1", r"split.folds in conf/config.yaml, line \d+: .*>= 2"),
        (
            "conf/teacher/demo.yaml",
            "model: demo",
            "modle: demo",
            "teacher.modle in conf/teacher/demo.yaml, line 4: no such",
        ),
        (
            "conf/question.yaml",
            "max_tokens: 768",
            "max_tokens: 0",
            r"teacher.sampling.max_tokens in conf/question.yaml, line \d+: .*>= 1",
        ),
        (
            "params.yaml",
            "    keyboard: 0.4",
            "    keybord: 0.4",
            r"classify.object_threshold.keybord in params.yaml, line \d+: no label .*did you mean keyboard",
        ),
        (
            "conf/config.yaml",
            "is_document: scene.document",
            "is_document: scene.paper",
            r"classify.attribute_from_scene.is_document in conf/config.yaml, line \d+: 'scene.paper' is no",
        ),
        (
            "conf/taxonomy/m2.yaml",
            "animals: scene.animals",
            "Animals: scene.animals",
            r"taxonomy.scenes.Animals in conf/taxonomy/m2.yaml, line \d+: this word can never match",
        ),
        (
            "conf/taxonomy/m2.yaml",
            "renamed: {}",
            "renamed:\n  object.drink: object.beverage\n#",
            r"taxonomy.renamed.object.drink in conf/taxonomy/m2.yaml, line \d+: .* is still a label",
        ),
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
        ["python", str(checkout / "stages" / "compose_config.py")],
        cwd=checkout / "conf",
        env=preloaded_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "run stages from the repository's root" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["teacher=qwen3_vl_8b", "--cfg", "job"], "model: Qwen/Qwen3-VL-8B-Instruct"),
        (["--cfg", "job", "teacher=qwen3_vl_8b"], "model: Qwen/Qwen3-VL-8B-Instruct"),
        (
            ["--cfg", "job", "train.seed=3", "--package", "train", "teacher=offline"],
            "# @package train\nseed: 3\n",
        ),
        (["sample.size=5", "-c", "job", "-p", "sample", "sample.seed=3"], "size: 5\nseed: 3\n"),
        (["--cfg", "hydra"], "output_subdir: null"),
        (["--cfg", "all", "--resolve", "split.folds=4"], "folds: 4"),
        (["--info", "teacher=offline"], "model: imported"),
        (["--info", "defaults", "teacher=offline"], "teacher/offline"),
        (["split.folds=4", "--info", "config"], "folds: 4"),
        (["--hydra-help", "split.folds=4"], "--config-dir"),
        (["--version"], "Hydra 1."),
    ],
)
def test_hydras_options_work_in_any_order(checkout, arguments, shown):
    result = run(checkout, *arguments)
    assert result.returncode == 0, result.stderr
    assert shown in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("option", ["-m", "--multirun", "hydra.mode=MULTIRUN"])
def test_several_runs_in_one_are_refused(checkout, option):
    before = sorted(checkout.iterdir())
    result = run(checkout, "sample.size=50,100", option)
    assert result.returncode == 1
    assert result.stderr.startswith("error: --multirun is not supported")
    assert "dvc exp run --queue -S" in result.stderr
    assert sorted(checkout.iterdir()) == before


def test_help_says_what_the_stage_does_and_how_to_change_it(checkout):
    result = run(checkout, "--help")
    assert result.returncode == 0
    assert "data/config/resolved.yaml" in result.stdout
    assert "KEY=VALUE" in result.stdout
    assert "teacher=demo|offline|qwen3_vl_32b|qwen3_vl_8b\n" in result.stdout
