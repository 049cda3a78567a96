"""What GitHub would run, run here: the commands of the workflows, in a clone without photos."""

import re

import msgspec
import pytest


@pytest.fixture(scope="module")
def jobs(repository):
    """The jobs of all workflows, by file and name."""
    files = sorted((repository / ".github" / "workflows").glob("*.yml"))
    read = {file.stem: msgspec.yaml.decode(file.read_bytes())["jobs"] for file in files}
    return {(stem, name): job for stem, jobs in read.items() for name, job in jobs.items()}


def _commands(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_checks_end_with_make_test(jobs, repository):
    (command,) = _commands(jobs["checks", "test"])
    assert command == ".ci/run"
    assert (repository / command).read_text().splitlines()[-1] == "make test"
    assert re.search(r"^test:", (repository / "Makefile").read_text(), flags=re.MULTILINE)


def test_no_secret_is_written_down(jobs):
    for job in jobs.values():
        for name, value in job.get("env", {}).items():
            if re.search("KEY|SECRET|TOKEN|PASSWORD", name):
                assert re.fullmatch(r"\$\{\{ secrets\.\w+ \}\}", value)


def test_a_changed_threshold_is_judged_and_posted_without_photos(
    pushed, colleague, jobs, documented, tmp_path
):
    job = jobs["compare", "compare"]
    colleague.run("git", "switch", "--quiet", "--create", "lower-threshold")
    colleague.replace("params.yaml", "has_person: 0.5", "has_person: 0.3")
    colleague.commit("lower threshold")
    given = {
        "BASE": "origin/HEAD",
        "HEAD": "lower-threshold",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    environment = {name: value for name, value in job["env"].items() if "${{" not in value} | given
    commands = _commands(job)
    assert "pip install" in commands[0]
    assert "gh pr comment" in commands[-1]
    said = [colleague.shell(command, **environment) for command in commands[1:-1]]

    fetched = documented("Without the photos")[0].removeprefix("dvc pull ")
    assert fetched == environment["EVALUATION"]
    assert "library.root ../photos does not exist: data/library/photos.jsonl is kept" in said[2]
    ran = set(re.findall("Running stage '([^']+)'", said[2]))
    assert ran == {"compose", "scan", "classify", "evaluate@human", "evaluate@auto"}
    comparison = (colleague.root / "comparison.md").read_text()
    assert re.search(r"has_person\.recall +\| 0\.\d+ +\| 0\.\d+ +\|", comparison)
    assert "photos are labelled differently" in comparison
    assert re.search(r"Person accuracy [+-]0\.\d+ \([+-]0\.\d+ to [+-]0\.\d+\)", comparison)
    assert (tmp_path / "summary.md").read_text() == comparison

    assert not (colleague.root.parent / "photos").exists()
    for path in (
        "data/embeddings/embeddings.sqlite",
        "models/scene_head_from_qwen.pt",
        "data/report/index.html",
    ):
        assert not colleague.has_cached(pushed.md5(path))
    databases = ("data/labels/labels.sqlite", "data/labels/probabilities.sqlite")
    read = sum((pushed.root / path).stat().st_size for path in databases)
    assert colleague.cached_bytes() < 2.5 * read
    # What was fetched of a folder is locked as the whole folder, so the owner has nothing to rerun for it.
    assert "nfiles" not in colleague.run("git", "diff", "--unified=0", "dvc.lock").stdout
