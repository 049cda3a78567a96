"""`vibe-photos update`: a newer version comes in; nothing is paid again, what a person wrote stays."""

import pytest

pytestmark = pytest.mark.timeout(900)

TAXONOMY = "conf/taxonomy/m2.yaml"


def _release(clone):
    """Commit a newer version: another mapping code, a new page, a page less, and results of the demo."""
    convert = clone.root / "src/vibe_photos/convert/stage.py"
    convert.write_text(convert.read_text() + "\n# A newer version.\n")
    clone.replace("conf/config.yaml", "  max_attempts: 5 ", "  max_attempts: 6 ")
    (clone.root / "docs" / "NEW.md").write_text("# New\n")
    (clone.root / "docs" / "LABELS.md").unlink()
    clone.replace("params.yaml", "  size: 140", "  size: 150")
    (clone.root / "data/human/decisions").mkdir(exist_ok=True)
    (clone.root / "data/human/decisions/demo.jsonl").write_text("{}\n")
    (clone.root / "data/demo/NEW.md").write_text("new\n")
    clone.commit("a newer version")


def _write_as_its_owner(project):
    """Change what a person changes: settings, a label, the truth."""
    project.replace("params.yaml", "    has_text: 0.5", "    has_text: 0.45")
    project.replace(TAXONOMY, "  animals: scene.animals", "  animals: scene.wildlife")
    path = project.root / TAXONOMY
    path.write_text(path.read_text().replace("renamed: {}", "renamed: {scene.animals: scene.wildlife}"))
    human = project.root / "data/human/ground_truth_human.audited.json"
    sample = (project.root / "data/ground_truth/to_review.json").read_text()
    human.write_text(sample.replace('"checked": false', '"checked": true'))
    project.repro("embed", "split")
    project.commit("mine")


def test_a_newer_version_comes_in(fresh):
    project, clone = fresh.project, fresh.clone
    project.run("vibe-photos", "import-annotations", str(fresh.answers))
    project.repro("sample")
    _write_as_its_owner(project)
    mine = ("params.yaml", "data/human/ground_truth_human.audited.json", ".dvc/config", TAXONOMY)
    before, paid = {file: project.bytes(file) for file in mine}, project.paid()
    assert paid == 47
    _release(clone)
    said = project.run("vibe-photos", "update").stdout
    assert "4 files changed" in said
    assert "Next: make setup && dvc repro" in said
    assert {file: project.bytes(file) for file in mine} == before
    assert project.bytes("src/vibe_photos/convert/stage.py").endswith(b"# A newer version.\n")
    assert (project.root / "docs/NEW.md").exists()
    assert not (project.root / "docs/LABELS.md").exists()
    assert not (project.root / "data/demo").exists()
    assert not (project.root / "data/human/decisions").exists()
    assert project.run("git", "status", "--porcelain").stdout == ""
    ran = project.repro("embed", "split").ran
    assert "convert" in ran
    assert "embed" not in ran
    assert project.paid() == paid
    assert {file: project.bytes(file) for file in mine} == before
    assert "has nothing newer" in project.run("vibe-photos", "update").stdout


def test_two_newer_versions_one_after_the_other(fresh):
    project, clone = fresh.project, fresh.clone
    for number in (1, 2):
        (clone.root / "docs" / "NEW.md").write_text(f"# {number}\n")
        clone.commit(str(number))
        project.run("vibe-photos", "update")
    assert project.bytes("docs/NEW.md") == b"# 2\n"
    assert (
        project.run("git", "log", "--first-parent", "--format=%s").stdout.count("Merge vibe-photos at") == 2
    )


def test_what_both_changed_is_named_and_can_be_taken_back(fresh):
    project, clone = fresh.project, fresh.clone
    for checkout, words in ((project, "My photos"), (clone, "Photos")):
        checkout.replace("docs/SHARING.md", "# Share a project\n", f"# {words}\n")
        checkout.commit(words)
    ended = project.run("vibe-photos", "update", check=False)
    assert ended.returncode == 1
    assert "you and the new version changed the same lines in docs/SHARING.md" in ended.stdout
    project.run("git", "merge", "--abort")
    assert project.run("git", "status", "--porcelain").stdout == ""
    assert project.bytes("docs/SHARING.md").startswith(b"# My photos\n")


def test_changes_that_are_not_committed_stay(fresh):
    project, clone = fresh.project, fresh.clone
    clone.replace("docs/SHARING.md", "# Share a project\n", "# Photos\n")
    clone.commit("newer")
    project.replace("docs/SHARING.md", "# Share a project\n", "# My photos\n")
    ended = project.run("vibe-photos", "update", check=False)
    assert ended.returncode == 1
    assert "docs/SHARING.md" in ended.stdout
    assert project.bytes("docs/SHARING.md").startswith(b"# My photos\n")


def test_another_history_and_no_project_are_refused(fresh, tmp_path):
    project, clone = fresh.project, fresh.clone
    clone.run("git", "commit", "--quiet", "--amend", "--allow-empty", "--message", "rewritten")
    ended = project.run("vibe-photos", "update", check=False)
    assert (ended.returncode, "does not descend from" in ended.stdout) == (1, True)
    ended = clone.run("vibe-photos", "update", check=False)
    assert (ended.returncode, "this is not a project made by `vibe-photos new`" in ended.stdout) == (1, True)


def test_a_colleagues_clone_names_where_versions_come_from(fresh, tmp_path):
    project, clone = fresh.project, fresh.clone
    project.run("git", "remote", "remove", "upstream")
    ended = project.run("vibe-photos", "update", check=False)
    assert (ended.returncode, "--source ADDRESS" in ended.stdout) == (1, True)
    _release(clone)
    assert "4 files changed" in project.run("vibe-photos", "update", "--source", str(clone.root)).stdout


def test_a_changed_question_is_said(fresh):
    project, clone = fresh.project, fresh.clone
    clone.replace("conf/question.yaml", "max_tokens: 768", "max_tokens: 700")
    clone.commit("asks for less")
    said = project.run("vibe-photos", "update").stdout
    assert "The question to the teacher may have changed (conf/question.yaml)" in said
    assert "annotate.dry_run=true" in said
