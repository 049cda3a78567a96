from pathlib import Path

import msgspec
import pytest

from vibe_photos.configuration import (
    MACHINE_LOCAL_KEYS,
    from_mapping,
    read_resolved,
    without_machine_local,
)
from vibe_photos.errors import ConfigurationError


@pytest.fixture
def composed(repository):
    """What compose wrote, with the machine-local values of conf/config.yaml, as plain types."""
    return msgspec.to_builtins(read_resolved(repository), enc_hook=str)


def test_the_resolved_file_reads_back_as_the_whole_configuration(repository, composed):
    settings = read_resolved(repository)
    assert settings.paths.photos == Path("data/library/photos.jsonl")
    assert settings.annotate.concurrency == composed["annotate"]["concurrency"]
    assert from_mapping(composed) == settings


def test_no_machine_local_key_is_left(composed):
    kept = without_machine_local(composed)
    for dotted in MACHINE_LOCAL_KEYS:
        *sections, last = dotted.split(".")
        node = kept
        for section in sections:
            node = node[section]
        assert last not in node
    assert composed["paths"]


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("sample", "size", "many", "^sample.size: Expected `int`"),
        ("sample", "size", -1, "^sample.size: .*>= 0"),
        ("sample", "siez", 5, "^sample.siez: no such key"),
        ("library", "content_hash", "md5", "^library.content_hash: 'md5' is not one of xxh3_128, xxh64$"),
        ("paths", "models", "", "^paths.models: "),
        ("classify", "attribute_threshold", {"default": 2}, "^classify.attribute_threshold.default: .*<= 1"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(composed, section, key, value, message):
    with pytest.raises(ConfigurationError, match=message):
        from_mapping(composed | {section: composed[section] | {key: value}})


def test_a_missing_key_is_named(composed):
    del composed["split"]["folds"]
    with pytest.raises(ConfigurationError, match=r"^split\.folds: this key is missing"):
        from_mapping(composed)


def test_before_compose_it_says_what_to_run(tmp_path):
    with pytest.raises(ConfigurationError, match="dvc repro compose"):
        read_resolved(tmp_path)


@pytest.mark.parametrize("file", ["conf/config.yaml", "data/config/resolved.yaml"])
def test_a_file_that_is_not_yaml_is_named_with_its_line(repository, tmp_path, file):
    for name in ("conf/config.yaml", "data/config/resolved.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((repository / name).read_bytes())
    (tmp_path / file).write_text("sample:\n\tsize: 5\n")
    with pytest.raises(ConfigurationError, match=f"{file}, line 2: this is not valid YAML"):
        read_resolved(tmp_path)


def test_an_optional_value_of_the_wrong_kind_is_named(composed):
    composed["embedder"]["resize"] = "crop"
    with pytest.raises(
        ConfigurationError, match=r"^embedder\.resize: 'crop' is not one of squash, center_crop$"
    ):
        from_mapping(composed)


def test_a_home_folder_is_found_and_stays_in_the_file(composed, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    composed["library"]["root"] = "~/Pictures"
    assert from_mapping(composed).library.root == "/home/ada/Pictures"
    assert without_machine_local(composed)["library"]["root"] == "~/Pictures"
