"""`vibe-photos share` lists exactly what the two pushes upload, and what in it is personal."""

import json
from collections import Counter

EMBEDDINGS = "data/embeddings/embeddings.sqlite"


def _objects(project):
    """The contents on the folder remote, by hash."""
    remote = project.root.parents[1] / "remote"
    files = [file for file in remote.rglob("*") if file.is_file()]
    return {file.parent.name + file.name: file.stat().st_size for file in files}


def _plan(project, *arguments):
    return json.loads(project.share("--json", *arguments))


def _personal(push):
    return {found["kind"].split(",")[0].split(" (")[0]: found for found in push["personal_data"]}


def test_to_an_empty_remote_all_goes_and_the_list_is_exact(owner, tmp_path):
    before = _objects(owner)
    remote = tmp_path / "remote"
    remote.rename(tmp_path / "gone")
    dvc = _plan(owner)["dvc"]
    assert dvc["remote"]["url"] == str(remote)
    assert (dvc["files"], dvc["bytes"]) == (len(before), sum(before.values()))
    assert sum(group["files"] for group in dvc["groups"]) == len(before)
    assert Counter(group["kind"] for group in dvc["groups"])["embeddings"] == 1
    photos = owner.bytes("data/library/photos.jsonl").splitlines()
    found = _personal(dvc)
    for kind in ("names of files and folders", "vectors", "photo ids"):
        assert found[kind]["count"] == len(photos)
    assert found["names of files and folders"]["examples"][0] == json.loads(photos[0])["rel_path"]
    assert found["small pictures of photos"]["count"] == owner.bytes("data/report/index.html").count(
        b"base64,"
    )
    answers = map(json.loads, owner.bytes("data/annotations/qwen_vl_raw_annotations.jsonl").splitlines())
    with_objects = sum(bool(answer["annotation"]["objects"]) for answer in answers)
    assert found["free text of the teacher"]["count"] == with_objects
    owner.run("dvc", "push")
    assert _objects(owner) == before


def test_only_what_the_remote_lacks_is_listed(owner):
    """By DVC's own rule: a folder that the remote has counts as whole; what is gone from it stays gone."""
    assert _plan(owner)["dvc"]["files"] == 0
    before = _objects(owner)
    lost, lost_in_folder = EMBEDDINGS, "data/ground_truth/auto/object.jsonl"
    for md5 in map(owner.md5, (lost, lost_in_folder)):
        (owner.root.parents[1] / "remote/files/md5" / md5[:2] / md5[2:]).unlink()
    dvc = _plan(owner)["dvc"]
    assert [group["paths"] for group in dvc["groups"]] == [[lost]]
    owner.run("dvc", "push")
    assert before.keys() - _objects(owner).keys() == {owner.md5(lost_in_folder)}


def test_git_shares_every_version_and_what_people_wrote(owner):
    decisions = owner.root / "data/human/decisions"
    decisions.mkdir()
    line = {
        "image_id": "0" * 32,
        "decided_at": "2026-01-01T00:00:00Z",
        "note": "Uncle Bob's passport",
        "after": None,
    }
    (decisions / "anna.jsonl").write_text(json.dumps(line) + "\n")
    (owner.root / "IMG_1.jpg").write_bytes(b"not pushed again")
    owner.commit("a decision and a slip")
    (decisions / "anna.jsonl").write_text("")
    (owner.root / "IMG_1.jpg").unlink()
    owner.commit("taken back, but in the history")
    git = _plan(owner)["git"]
    found = _personal(git)
    assert git["commits"] == 2
    assert git["authors"] == ["Test <test@example.org>"]
    assert found["notes and other text that people wrote"]["examples"] == ["Uncle Bob's passport"]
    assert found["names of reviewers"]["examples"] == ["anna"]
    assert found["photos"]["files"] == ["IMG_1.jpg"]
    # The empty file's content is in earlier commits already.
    assert git["files"] == 2


def test_it_pushes_data_and_code_only_when_told(owner, documented, tmp_path):
    owner.run("dvc", "remote", "remove", "shared")
    add, commit, share = documented("A folder")
    owner.shell(add.replace("/mnt/nas/vibe-photos", str(tmp_path / "nas")))
    refused = owner.run("vibe-photos", "share", "--yes", check=False)
    assert refused.returncode == 1
    assert ".dvc/config changed since the last commit" in refused.stdout
    owner.shell(commit)
    assert "nothing was uploaded" in owner.share("--dry-run")
    assert "not a terminal" in owner.shell(f"{share} < /dev/null")
    assert not (tmp_path / "nas").exists()
    assert "labels by the heads" in owner.shell(f"{share} --yes")
    there = owner.run("git", "ls-remote", str(tmp_path / "git")).stdout
    assert owner.run("git", "rev-parse", "HEAD").stdout.strip() in there
    assert owner.run("git", "status", "--porcelain").stdout == ""
    colleague = owner.clone_to(tmp_path / "colleague")
    colleague.run("dvc", "pull", "embed")
    assert colleague.bytes(EMBEDDINGS) == owner.bytes(EMBEDDINGS)


def test_a_key_in_a_commit_stops_it(owner):
    with (owner.root / ".dvc/config").open("a") as config:
        config.write('[remote "bucket"]\n    url = s3://bucket\n    secret_access_key = hunter2\n')
    owner.commit("oops")
    said = owner.run("vibe-photos", "share", "--yes", check=False)
    assert said.returncode == 1
    assert 'a commit holds credentials (secret_access_key of remote "bucket"' in said.stdout
    assert "hunter2" not in said.stdout
    assert _plan(owner)["git"]["commits"] == 1


def test_without_any_remote_all_is_listed_and_the_way_told(owner):
    everything = len(_objects(owner))
    owner.run("dvc", "remote", "remove", "shared")
    owner.run("git", "remote", "remove", "origin")
    plan = _plan(owner)
    assert plan["dvc"]["remote"] is None
    assert plan["dvc"]["files"] == everything
    assert any("dvc remote add --default" in obstacle for obstacle in plan["obstacles"])
    assert any("git remote add origin" in obstacle for obstacle in plan["obstacles"])
