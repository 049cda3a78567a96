"""A `params.yaml` or a file of `conf/` that is not valid: one sentence, and nothing is started or written."""

import http.server
import os
import shutil
import subprocess
import sys
import threading

import pytest

ROOT = "library:\n  root: photos\n"


@pytest.fixture
def checkout(repository, tmp_path, monkeypatch):
    """A copy of `conf/` and `stages/` as the current folder; stages run in this process."""
    for folder in ("conf", "stages"):
        shutil.copytree(repository / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    resolved = tmp_path / "data" / "config" / "resolved.yaml"
    resolved.parent.mkdir(parents=True)
    resolved.write_text("before")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "stages")
    yield tmp_path
    for name in ("entrypoint", "composition", "compose_config"):
        sys.modules.pop(name, None)


@pytest.fixture
def refuse(checkout, monkeypatch, capsys):
    """A function that runs a stage which must be refused, and returns what it says."""

    def refuse(*arguments: str) -> str:
        from entrypoint import run_stage

        reached = []
        monkeypatch.setattr(sys, "argv", ["stages/some_stage.py", *arguments])
        with pytest.raises(SystemExit) as stopped:
            run_stage(reached.append)
        printed = capsys.readouterr()
        assert stopped.value.code == 1
        assert not reached
        assert printed.err.startswith("error: ")
        assert printed.err.count("\n") == 1, printed.err
        assert (checkout / "data" / "config" / "resolved.yaml").read_text() == "before"
        assert not list(checkout.rglob("PWNED"))
        return printed.err

    return refuse


UNREADABLE = [
    (b"sample:\n\tsize: 5\n", ["line 2", "not valid YAML", "'\\t'"]),
    (b"sample: {size: 5\nsplit: {folds: 3}\n", ["line 2", "not valid YAML"]),
    (b"sample:\n  size: 5\n  seed: 1\n  size: 6\n", ["line 4", "'size'", "second time"]),
    (b"sample:\n  size: 5\nsample:\n  seed: 5\n", ["line 3", "'sample'", "second time"]),
    (ROOT.encode("utf-16"), ["line 1", "UTF-8"]),
    (ROOT.encode("utf-16-le"), ["line 1", "UTF-8"]),
    ("library:\n  root: Gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n\n".encode("latin-1"), ["line 2", "UTF-8"]),
    (b"sample: {size: 5}\n---\nsample: {size: 6}\n", ["line 2", "not valid YAML", "another document"]),
    (b"sample:\n  size: !!python/object/apply:os.mkdir [PWNED]\n", ["line 2", "tag", "python/object"]),
    (b"sample:\n  size: !secret 5\n", ["line 2", "tag", "'!secret'"]),
    (b"- sample\n- split\n", ["line 1", "`key: value`"]),
    (b"just some words\n", ["line 1", "`key: value`"]),
    (b"library: &self\n  root: *self\n", ["contains itself"]),
    (b"classify:\n  attribute_threshold:\n    1: 0.5\n", ["line 3", "'1'", "not text"]),
]


@pytest.mark.parametrize(("content", "parts"), UNREADABLE)
@pytest.mark.parametrize("file", ["params.yaml", "conf/taxonomy/m2.yaml", "conf/config.yaml"])
def test_an_unreadable_file_is_named_with_its_line(checkout, refuse, file, content, parts):
    (checkout / "params.yaml").write_text(ROOT)
    (checkout / file).write_bytes(content)
    said = refuse()
    for part in [file, *parts]:
        assert part in said, said


FORBIDDEN = [
    ("hydra: {run: {dir: PWNED}}", ["hydra in params.yaml, line 3", "not allowed"]),
    ("hydra:\n  job: {env_set: {QWEN_BASE_URL: http://127.0.0.1:9/v1}}", ["hydra in params.yaml, line 3"]),
    ("hydra: {callbacks: {x: {_target_: os.mkdir, command: PWNED}}}", ["hydra in params.yaml, line 3"]),
    (
        "hydra: {job_logging: {version: 1, handlers: {x: {(): os.mkdir, path: PWNED}}}}",
        ["hydra in params.yaml"],
    ),
    ("defaults: [override hydra/job_logging: default]", ["defaults in params.yaml, line 3", "not allowed"]),
    ("# @package hydra.job.env_set", ["params.yaml, line 3", "@package"]),
    ("smaple: {size: 5}", ["smaple in params.yaml, line 3", "no such section", "sample"]),
    ("<<: {hydra: {run: {dir: PWNED}}}", ["<< in params.yaml, line 3", "no such section"]),
    ("sample:", ["sample in params.yaml, line 3", "`key: value`"]),
    ("sample: [5, 6]", ["sample in params.yaml, line 3", "`key: value`"]),
    ("use: demo", ["use in params.yaml, line 3", "`key: value`"]),
    ("use: {teachr: demo}", ["use.teachr in params.yaml, line 3", "teacher, taxonomy, embedder"]),
    (
        "use:\n  teacher: nope",
        ["use.teacher in params.yaml, line 4", "'nope'", "demo, offline, qwen3_vl_32b"],
    ),
    ("use:\n  teacher: _question", ["use.teacher in params.yaml, line 4"]),
    ("use:\n  teacher:", ["use.teacher in params.yaml, line 4", "'' is not one of demo"]),
    ("use:\n  teacher: [demo]", ["use.teacher in params.yaml, line 4", "a list"]),
    ("use:\n  embedder: ${oc.env:HOME}", ["use.embedder in params.yaml, line 4", "${"]),
    (
        "annotate:\n  rates:\n    currency: ${oc.env:QWEN_API_KEY}",
        ["annotate.rates.currency", "line 5", "${"],
    ),
    ("train:\n  scene:\n    l2: [0.1, '${oc.env:QWEN_API_KEY}']", ["train.scene.l2.1", "line 5", "${"]),
    ("classify: {object_threshold: {'${oc.env:QWEN_API_KEY}': 1}}", ["line 3", "${"]),
]


@pytest.mark.parametrize(("text", "parts"), FORBIDDEN)
def test_what_params_may_not_hold_is_refused_before_hydra_starts(checkout, refuse, monkeypatch, text, parts):
    monkeypatch.setenv("QWEN_API_KEY", "canary-key")
    monkeypatch.setattr("hydra.main", lambda **_: pytest.fail("Hydra was started"))
    (checkout / "params.yaml").write_text(ROOT + text + "\n")
    said = refuse()
    for part in parts:
        assert part in said, said
    assert "canary-key" not in said


WRONG_VALUES = [
    ("has_text: 1.5", "<= 1.0"),
    ("has_text: -0.1", ">= 0.0"),
    ("has_text: 0,5", "got `str`"),
    ("has_text: .nan", "not a finite number"),
    ("has_text: .inf", "not a finite number"),
    ("has_text:", "got `null`"),
    ("has_text: yes", "got `bool`"),
    ("has_text: [0.5]", "got `array`"),
]


@pytest.mark.parametrize(("line", "what"), WRONG_VALUES)
def test_a_wrong_threshold_is_named_with_file_and_line(checkout, refuse, line, what):
    (checkout / "params.yaml").write_text(f"classify:\n  attribute_threshold:\n    {line}\n")
    said = refuse()
    assert "classify.attribute_threshold.has_text in params.yaml, line 3: " in said
    assert what in said


def test_a_number_that_has_no_upper_bound_must_be_finite_too(checkout, refuse):
    (checkout / "params.yaml").write_text("train:\n  scene:\n    l2: [0.1, .inf]\n")
    assert "train.scene.l2.1 in params.yaml, line 3: inf is not a finite number" in refuse()


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("food: object.food\n", "food:\n", "taxonomy.objects.food in conf/taxonomy/m2.yaml, line "),
        ("food: object.food\n", "food: [a]\n", "taxonomy.objects.food in conf/taxonomy/m2.yaml, line "),
        ("other_scene:", "other_scne:", "taxonomy.other_scne in conf/taxonomy/m2.yaml, line "),
        (
            "disk: [a photo of a hard disk]",
            "disk: hard disk",
            "taxonomy.prompts.object.disk in conf/taxonomy/m2.yaml",
        ),
    ],
)
def test_a_wrong_line_of_the_taxonomy_is_named(checkout, refuse, old, new, place):
    (checkout / "params.yaml").write_text(ROOT)
    file = checkout / "conf" / "taxonomy" / "m2.yaml"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    assert place in refuse()


def test_a_missing_key_is_sought_where_it_belongs(checkout, refuse):
    (checkout / "params.yaml").write_text(ROOT)
    (checkout / "conf" / "embedder" / "hog.yaml").write_text("kind: hog\n")
    assert "embedder.name in conf/embedder/hog.yaml: this key is missing" in refuse("embedder=hog")


@pytest.mark.parametrize("text", ["", "# nothing chosen\n", "\N{BYTE ORDER MARK}" + ROOT])
def test_an_almost_empty_file_means_the_defaults(checkout, monkeypatch, text):
    (checkout / "params.yaml").write_text(text)
    from entrypoint import run_stage

    given = []
    monkeypatch.setattr(sys, "argv", ["stages/some_stage.py"])
    run_stage(given.append)
    assert given[0].teacher.server == "replay"
    assert given[0].library.root == ("photos" if "root" in text else "data/demo/photos")


def test_a_stage_gets_the_store_if_it_takes_one(checkout, monkeypatch):
    (checkout / "params.yaml").write_text(ROOT)
    from entrypoint import run_stage

    given = []
    monkeypatch.setenv("VIBE_PHOTOS_STORE", "somewhere")
    monkeypatch.setattr(sys, "argv", ["stages/some_stage.py"])
    run_stage(lambda settings, store: given.append((settings.head, str(store))))
    assert given == [("scene", "somewhere")]


@pytest.mark.parametrize(
    ("dvc_stage", "arguments", "size", "kind"),
    [
        ("classify", ["truth=auto"], 5, "hog"),
        ("classify", ["sample.size=7"], 7, "siglip"),
        (None, [], 6, "siglip"),
    ],
    ids=["dvc", "dvc, with a value in the command", "by hand"],
)
def test_an_edit_during_dvc_repro_changes_no_stage_of_that_run(
    checkout, monkeypatch, dvc_stage, arguments, size, kind
):
    """Else `dvc.lock` would hold the configuration of the start, and results of the other one."""
    (checkout / "data" / "config" / "resolved.yaml").unlink()
    params = checkout / "params.yaml"
    params.write_text(ROOT + "use: {embedder: hog}\nsample: {size: 5}\nembed: {workers: 2}\n")
    from entrypoint import run_composed, run_stage

    from compose_config import compose_config

    monkeypatch.setattr(sys, "argv", ["stages/compose_config.py"])
    run_composed(compose_config, "")
    params.write_text(ROOT + "use: {embedder: demo_siglip}\nsample: {size: 6}\nembed: {workers: 3}\n")
    given = []
    monkeypatch.setattr(sys, "argv", ["stages/some_stage.py", *arguments])
    if dvc_stage:
        monkeypatch.setenv("DVC_STAGE", dvc_stage)
    run_stage(given.append)
    (settings,) = given
    assert (settings.sample.size, settings.embedder.kind) == (size, kind)
    assert (settings.embed.workers, settings.truth) == (3, "auto" if arguments == ["truth=auto"] else "human")


@pytest.fixture
def listener():
    """A server that keeps the paths it is asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            self.send_error(500)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def annotate(checkout, *arguments):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("QWEN_", "VIBE_"))}
    environment |= {"QWEN_BASE_URL": "http://127.0.0.1:9/v1", "QWEN_API_KEY": "canary-key"}
    return subprocess.run(
        [sys.executable, "stages/annotate_photos.py", "teacher=qwen3_vl_8b", *arguments],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_params_cannot_send_the_key_to_another_server(checkout, repository, listener):
    """`hydra.job.env_set` of the user's own command line works; of a file that came by git it does not."""
    photos = checkout / "photos"
    photos.mkdir()
    source = next((repository / "data" / "demo" / "photos").rglob("*.jpg"))
    shutil.copy(source, photos)
    address = f"http://127.0.0.1:{listener.server_port}/v1"
    section = f"hydra: {{job: {{env_set: {{QWEN_BASE_URL: '{address}'}}}}}}\n"
    (checkout / "params.yaml").write_text(ROOT + section)
    refused = annotate(checkout)
    assert refused.returncode == 1
    assert "hydra in params.yaml, line 3" in refused.stderr
    assert listener.asked == []
    (checkout / "params.yaml").write_text(ROOT)
    annotate(checkout, f"+hydra.job.env_set.QWEN_BASE_URL={address}", "annotate.wait_minutes=0.01")
    assert listener.asked != []
