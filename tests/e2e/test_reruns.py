"""The table of what a change reruns, by DVC's own record of what ran."""

import io
import json
import shutil

import xxhash
from PIL import Image
from PIL.ExifTags import Base
from tests.unit.annotate.fault_server import Act, FaultServer, error

TRAIN = {"train@scene", "train@attribute", "train@object"}
JUDGED = {"evaluate@human", "evaluate@auto", "report"}
AFTER_TRAIN = {"score", "classify"} | JUDGED
AUDITED = "data/human/ground_truth_human.audited.json"
SPLITS, SAMPLE = "data/ground_truth/splits.json", "data/ground_truth/to_review.json"
AGREEMENT = "data/eval/teacher/metrics.json"
RATING = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5"/></rdf:RDF></x:xmpmeta>'
)


def lines(checkout, file):
    return [json.loads(line) for line in checkout.bytes(file).splitlines()]


def rate(jpeg):
    """Return the file as a photo manager writes five stars into it."""
    return add_app1(jpeg, b"http://ns.adobe.com/xap/1.0/\0" + RATING)


def turn(jpeg):
    """Return the file with another orientation in its Exif."""
    exif = Image.open(io.BytesIO(jpeg)).getexif()
    exif[Base.Orientation] = 6 if exif.get(Base.Orientation) != 6 else 8
    start = jpeg.index(b"Exif\0\0") - 4
    end = start + 2 + int.from_bytes(jpeg[start + 2 : start + 4], "big")
    return add_app1(jpeg[:start] + jpeg[end:], exif.tobytes())


def add_app1(jpeg, content):
    return jpeg[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + jpeg[2:]


def test_a_threshold_a_definition_and_back_to_the_first_configuration(checkout):
    assert checkout.repro().ran == set()
    checkout.replace("params.yaml", "has_person: 0.5", "has_person: 0.9")
    assert checkout.repro().ran == {"classify"} | JUDGED
    checkout.replace("params.yaml", "has_person: 0.9", "has_person: 0.5")
    back = checkout.repro()
    assert back.ran == set()
    assert back.from_cache == {"classify"} | JUDGED
    assert checkout.run("git", "status", "--porcelain").stdout == ""
    before = checkout.paid()
    checkout.replace("conf/taxonomy/m2.yaml", "scene.food: {name: Food, ", "scene.food: {name: Meal, ")
    assert checkout.repro().ran == {"report"}
    assert b"Meal labelled as" in checkout.bytes("data/report/index.html")
    assert checkout.paid() == before


def test_the_confidence_an_object_needs_and_an_object_mapping(checkout):
    splits, sample = checkout.bytes(SPLITS), json.loads(checkout.bytes(SAMPLE))
    checkout.replace("params.yaml", "min_object_confidence: 0.7", "min_object_confidence: 0.9")
    assert checkout.repro("convert").ran == {"convert"}
    checkout.replace("conf/taxonomy/m2.yaml", "\n  dessert: object.food.dessert", "\n  dessert: object.food")
    ran = checkout.repro().ran
    assert ran == {"convert", "sample", "split", "teach", "train@object", "agreement"} | AFTER_TRAIN
    assert checkout.bytes(SPLITS) == splits
    assert [one["image_id"] for one in json.loads(checkout.bytes(SAMPLE))] == [
        one["image_id"] for one in sample
    ]


def test_a_word_for_the_teacher_and_another_teacher_ask_again_and_embed_nothing(checkout):
    before, photos = checkout.paid(), len(lines(checkout, "data/library/photos.jsonl"))
    checkout.replace("conf/taxonomy/m2.yaml", "    - other_object\n", "    - other_object\n    - bicycle\n")
    assert checkout.repro("convert", "embed").ran == {"annotate", "convert"}
    assert checkout.paid() == before + photos
    checkout.replace("conf/teacher/demo.yaml", "model: demo-", "model: another-demo-")
    assert checkout.repro("convert", "embed").ran == {"annotate", "convert"}
    assert checkout.paid() == before + 2 * photos
    assert "report" in checkout.due()


def test_a_photo_that_failed_for_a_passing_reason_is_due_by_itself(checkout):
    """And only that one, only where there is a server; a photo that is refused makes nothing due."""
    checkout.replace("params.yaml", "teacher: demo ", "teacher: qwen3_vl_8b ")
    ids = [json.loads(line)["image_id"] for line in checkout.bytes("data/library/photos.jsonl").splitlines()]
    # Refused only after others were answered: before that, a refusal may be about the reply's format.
    acts = {ids[0]: Act(500, error("out of memory")), ids[1]: Act(422, error("odd"), delay_seconds=1.0)}
    with FaultServer(lambda image_id, attempt: acts.get(image_id, Act())) as server:
        first = checkout.repro("annotate", QWEN_BASE_URL=server.base_url)
        assert "without an answer for a temporary reason: 1." in first.text
        failed = checkout.bytes("data/annotations/failures.jsonl")
        assert checkout.repro("annotate").ran == set()  # a colleague without a server
        marked = failed.replace(b'odd"}', b'odd","due":true}')
        (checkout.root / "data/annotations/failures.jsonl").write_bytes(marked)
        offline = checkout.repro("annotate")
        assert offline.ran == {"annotate"}
        assert "2 photos stay without an answer" in offline.text
        assert checkout.bytes("data/annotations/failures.jsonl") == failed

        del acts[ids[0]]
        before = server.asked.total()
        assert checkout.repro("annotate", QWEN_BASE_URL=server.base_url).ran == {"annotate"}
        assert server.asked.total() == before + 2
        assert checkout.repro("annotate", QWEN_BASE_URL=server.base_url).ran == set()


def test_the_size_of_the_sample(checkout):
    checkout.replace("params.yaml", "size: 60", "size: 80")
    assert checkout.repro("teach").ran == {"sample", "split", "teach"}
    assert checkout.due() >= TRAIN | {"agreement"}


def test_the_encoder(checkout, tiny_onnx):
    shutil.copy(tiny_onnx, checkout.root / "models" / "encoder.onnx")
    before = checkout.paid()
    checkout.replace("params.yaml", "embedder: demo_siglip ", "embedder: onnx ")
    checkout.replace("conf/embedder/onnx.yaml", "outputs: [softmaxout_1]", "outputs: [features]")
    splits = checkout.bytes(SPLITS)
    assert checkout.repro().ran == {"embed"} | TRAIN | AFTER_TRAIN
    assert checkout.bytes(SPLITS) == splits
    assert checkout.paid() == before
    checkout.replace("params.yaml", "embedder: onnx ", "embedder: demo_siglip ")
    checkout.replace("conf/embedder/onnx.yaml", "outputs: [features]", "outputs: [softmaxout_1]")
    back = checkout.repro()
    assert back.from_cache >= TRAIN | AFTER_TRAIN
    assert back.ran == {"embed"}
    assert "vectors reused, 0 computed" in back.text
    assert "dvc.lock" not in checkout.run("git", "status", "--porcelain").stdout


def test_other_weights_of_the_encoder(checkout):
    from safetensors.numpy import load_file, save_file

    weights = checkout.root / "data/demo/siglip/open_clip_model.safetensors"
    tensors = load_file(weights)
    tensors["visual.attnpool.c_proj.weight"] *= 2
    save_file(tensors, weights)
    splits = checkout.bytes(SPLITS)
    ran = checkout.repro("embed", "split")
    assert ran.ran == {"embed"}
    assert "0 vectors reused" in ran.text
    assert checkout.bytes(SPLITS) == splits
    assert checkout.due() >= TRAIN


def test_a_corrected_human_label(checkout):
    records = json.loads(checkout.bytes(AUDITED))
    records[0]["scene"] = ["scene.other" if records[0]["scene"] != ["scene.other"] else "scene.food"]
    (checkout.root / AUDITED).write_text(json.dumps(records, indent=2))
    splits = checkout.bytes(SPLITS)
    assert checkout.repro().ran == {"sample", "split", "teach", "evaluate@human", "agreement", "report"}
    assert checkout.bytes(SPLITS) == splits


def test_a_photo_added_costs_one_request_and_one_embedding(checkout, new_photo):
    before = checkout.paid()
    image_id = new_photo(checkout.root / "data/demo/photos/2019/NEW.JPG")
    recordings = checkout.root / "data/demo/teacher_answers.simulated.jsonl"
    answer = json.loads(recordings.read_text().splitlines()[0]) | {"image_id": image_id}
    with recordings.open("a") as file:
        file.write(json.dumps(answer) + "\n")
    result = checkout.repro("convert", "embed")
    assert result.ran == {"annotate", "convert", "embed"}
    assert checkout.paid() == before + 1
    assert "vectors reused, 1 computed" in result.text


def test_what_other_programs_do_to_photos_costs_only_those_that_turn(checkout):
    """A hundred photos are rated, moved or both, two are turned by flag; half of them people have seen."""
    photos, recordings = checkout.root / "data/demo/photos", "data/demo/teacher_answers.simulated.jsonl"
    place_of = {one["image_id"]: one["rel_path"] for one in lines(checkout, "data/library/photos.jsonl")}
    copied = {one["image_id"] for one in lines(checkout, "data/library/photos.jsonl") if one["also_at"]}
    splits, figures, sample = (json.loads(checkout.bytes(file)) for file in (SPLITS, AGREEMENT, SAMPLE))
    audited = {one["image_id"] for one in json.loads(checkout.bytes(AUDITED))}
    measured = [image_id for image_id in splits if image_id in audited - copied]
    trained = [image_id for image_id, one in splits.items() if one["role"] == "train"]
    turned, rated = [measured[0], trained[0]], measured[1:41] + trained[1:21]
    moved = measured[30:52] + trained[10:48]
    taught = trained[1]
    decision = {"image_id": taught, "decided_at": "2026-01-01T00:00:00.000000Z", "purpose": "teach"}
    log = checkout.root / "data/human/decisions/ada.jsonl"
    log.parent.mkdir()
    log.write_text(json.dumps(decision | {"after": {"scene": ["scene.other"]}}) + "\n")
    now = {}
    for image_id in dict.fromkeys(turned + rated + moved):
        file = photos / place_of[image_id]
        data = file.read_bytes()
        if image_id in turned:
            data = turn(data)
        if image_id in rated:
            data = rate(data)
        if image_id in moved:
            file.unlink()
            file = photos / "sorted" / f"{image_id[::-1]}.jpg"
            file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        now[image_id] = xxhash.xxh3_128_hexdigest(data)
    assert len(now) == 100
    answers = {one["image_id"]: one for one in lines(checkout, recordings)}
    with (checkout.root / recordings).open("a") as file:
        file.writelines(json.dumps(answers[i] | {"image_id": now[i]}) + "\n" for i in turned)

    said = checkout.repro("teach", "agreement").text
    assert "this run: 2 requests, 2 answers, 0 failures" in said
    assert "annotate: 60 pictures answered before, in another file: not asked again" in said
    assert "embed: 60 pictures with a vector from another file" in said
    assert "2 computed, 0 photos failed" in said
    assert "split: people's labels of 42 photos stay" in said
    after = json.loads(checkout.bytes(SPLITS))
    assert len(after) == len(splits)
    for image_id, old in splits.items():
        new = after[now.get(image_id, image_id)]
        assert {key: value for key, value in new.items() if key != "earlier_ids"} == old
    assert [one["image_id"] for one in json.loads(checkout.bytes(SAMPLE))] == [
        now.get(one["image_id"], one["image_id"]) for one in sample
    ]
    same = json.loads(checkout.bytes(AGREEMENT))
    assert (same["n"], same["scene"]["accuracy"]) == (figures["n"], figures["scene"]["accuracy"])
    training = {one["image_id"]: one for one in lines(checkout, "data/ground_truth/training/scene.jsonl")}
    assert training[now[taught]]["by_people"] == ["scene"]
