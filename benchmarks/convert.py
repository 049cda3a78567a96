"""Mapping answers to label keys: ours against parsing and dumping alone, and against `json` per line."""

import json
import tempfile
from pathlib import Path

import msgspec
import orjson
from benchmarks.rounds import at_least, measure, parse_arguments, print_table, settings_in, write_results

from vibe_photos.convert.stage import convert_annotations
from vibe_photos.settings import Convert, Taxonomy

RECORDS = 100_000
CONVERT = Convert(min_object_confidence=0.7, include_non_main=False)


def write_answers(path: Path) -> None:
    """Write answers as `annotate` does: five attributes, two objects, provenance."""
    with path.open("w") as file:
        for index in range(RECORDS):
            objects = [
                {"name_free": "a thing", "coarse_type": word, "is_main": True, "confidence": 0.9}
                for word in ("keyboard", "other_object")
            ]
            attributes = {"has_person": True, "has_text": False, "has_animal": False}
            annotation = {"scene": "product", **attributes, "is_document": False, "objects": objects}
            place = f"2024/{index:06}.jpg"
            record = {"image_id": f"{index:032x}", "server_path": place, "rel_path": place}
            usage = {"prompt_tokens": 900, "completion_tokens": 90}
            file.write(json.dumps(record | {"annotation": annotation, "usage": usage}) + "\n")


def parse_and_dump(raw: Path, out: Path) -> None:
    """The floor: every line through orjson and back."""
    with raw.open("rb") as source, out.open("wb") as target:
        for line in source:
            target.write(orjson.dumps(orjson.loads(line)) + b"\n")


def convert_with_json(raw: Path, out: Path, taxonomy: Taxonomy) -> None:
    """The peer: the older script's loop, one file out."""
    with raw.open() as source, out.open("w") as target:
        for line in source:
            record = json.loads(line)
            said = record["annotation"]
            attributes = {taxonomy.attributes[k]: v for k, v in said.items() if isinstance(v, bool)}
            objects = {
                taxonomy.objects[item["coarse_type"]]
                for item in said["objects"]
                if item["is_main"] and item["confidence"] >= 0.7 and item["coarse_type"] in taxonomy.objects
            }
            scene = [taxonomy.scenes.get(said["scene"], taxonomy.other_scene)]
            truth = {"image_id": record["image_id"], "scene": scene, "attributes": attributes}
            target.write(json.dumps(truth | {"objects": sorted(objects)}) + "\n")


def main() -> None:
    """Measure and print."""
    arguments = parse_arguments(__doc__ or "", rounds=9)
    taxonomy = msgspec.convert(msgspec.yaml.decode(Path("conf/taxonomy/m2.yaml").read_bytes()), Taxonomy)
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_in(Path(folder), taxonomy=taxonomy, convert=CONVERT)
        raw, out = settings.paths.raw_annotations, Path(folder) / "out.jsonl"
        write_answers(raw)
        medians = measure(
            {
                "ours": lambda: convert_annotations(settings),
                "orjson parse and dump": lambda: parse_and_dump(raw, out),
                "json per line": lambda: convert_with_json(raw, out, taxonomy),
            },
            arguments.rounds,
        )
        ours = [
            json.loads(line)
            for line in (settings.paths.auto / "ground_truth_auto.jsonl").read_text().splitlines()
        ]
        assert ours == [json.loads(line) for line in out.read_text().splitlines()]
    print_table(f"convert, {RECORDS} answers", medians, "orjson parse and dump", RECORDS, "answers")
    floor = medians["orjson parse and dump"]
    reach = at_least(
        "convert, share of orjson's parse and dump",
        floor / medians["ours"],
        0.6,
        floor / medians["json per line"],
    )
    write_results(arguments.json, {"convert": medians}, [reach])


if __name__ == "__main__":
    main()
