from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibe_photos.errors import InputError
from vibe_photos.label_studio.interface import Interface
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.taxonomy import head_keys


@pytest.fixture(scope="module")
def interface(taxonomy):
    return Interface(taxonomy)


def choices(control, *names):
    return {"from_name": control, "to_name": "photo", "type": "choices", "value": {"choices": list(names)}}


def test_the_configuration_has_one_control_for_the_scene_each_attribute_and_the_objects(interface, taxonomy):
    view = ElementTree.fromstring(interface.write_config())
    controls = {tag.get("name"): tag for tag in view if tag.tag in ("Choices", "Taxonomy")}
    assert view.find("Image").attrib["value"] == "$image"
    assert list(controls) == ["scene", *interface.attributes, "objects"]
    assert {tag.get("toName") for tag in controls.values()} == {"photo"}
    scenes = [f"scene.{choice.get('value')}" for choice in controls["scene"]]
    assert scenes == head_keys(taxonomy, "scene")
    assert [choice.get("value") for choice in controls["has_text"]] == ["yes", "no"]


def test_names_for_people_and_definitions_are_shown_and_not_in_the_results(interface, taxonomy):
    view = ElementTree.fromstring(interface.write_config())
    defined = taxonomy.definitions
    titles = [header.get("value") for header in view.findall("Header")]
    assert titles[0] == "Scene"
    assert f"Animal: {defined['attr.has_animal'].means}" in titles
    hints = {choice.get("value"): choice.get("hint") for choice in view.iter("Choice")}
    assert hints["snapshot"] == defined["scene.snapshot"].means
    assert hints["display.monitor"] == defined["object.electronics.display.monitor"].means
    assert hints["yes"] is None
    bare = ElementTree.fromstring(Interface(msgspec.structs.replace(taxonomy, definitions={})).write_config())
    assert "Animal" in [header.get("value") for header in bare.findall("Header")]
    assert not [choice for choice in bare.iter("Choice") if choice.get("hint") is not None]


def test_every_node_of_the_tree_is_a_label_and_every_label_a_node(interface, taxonomy):
    def walk(tag, above):
        for choice in tag.findall("Choice"):
            node = (*above, choice.get("value"))
            yield node
            yield from walk(choice, node)

    tree = ElementTree.fromstring(interface.write_config()).find("Taxonomy")
    nodes = list(walk(tree, ()))
    assert set(nodes) == set(interface.objects)
    assert sorted(f"object.{'.'.join(node)}" for node in nodes) == head_keys(taxonomy, "object")
    assert ("electronics", "console", "controller") in nodes
    assert ("electronics", "display.monitor") in nodes, "object.electronics.display is not a label"


@given(st.data())
def test_any_truth_comes_back_from_its_results(interface, taxonomy, data):
    attributes = st.dictionaries(st.sampled_from(head_keys(taxonomy, "attribute")), st.booleans())
    truth = GroundTruth(
        image_id="id-a",
        scene=data.draw(st.lists(st.sampled_from(head_keys(taxonomy, "scene")), max_size=1)),
        attributes=data.draw(attributes),
        objects=sorted(data.draw(st.sets(st.sampled_from(head_keys(taxonomy, "object"))))),
    )
    results = data.draw(st.permutations(interface.write_results(truth)))
    assert interface.read_results("id-a", results) == truth


def test_what_is_not_answered_is_not_judged_and_other_controls_are_passed_over(interface):
    results = [choices("has_text", "no"), choices("my_own_control", "anything")]
    assert interface.read_results("id-a", results) == GroundTruth(
        image_id="id-a", attributes={"attr.has_text": False}, objects=[]
    )


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([choices("scene", "fod")], "scene has the choice 'fod', which is not a label"),
        ([choices("scene", "food", "people")], "more than one scene: scene.food, scene.people"),
        ([choices("has_text", "yes"), choices("has_text", "no")], "has_text is both yes and no"),
        ([choices("has_text", "maybe")], "has_text has the choice 'maybe'"),
        ([choices("objects", "food")], "objects has a value that is not its control's"),
        ([{"from_name": "scene", "value": None}], "scene has a value that is not its control's"),
        (
            [{"from_name": "objects", "value": {"taxonomy": [["electronics", "display"]]}}],
            "objects has the choice 'electronics/display', which is not a label",
        ),
    ],
)
def test_what_no_control_of_ours_can_say_is_refused(interface, results, reason):
    with pytest.raises(InputError, match=reason):
        interface.read_results("id-a", results)


def test_choices_of_an_older_project_are_followed(taxonomy):
    older = Interface(
        msgspec.structs.replace(
            taxonomy,
            scenes={**taxonomy.scenes, "food": "scene.meal"},
            attributes={**taxonomy.attributes, "has_text": "attr.has_words"},
            objects={**taxonomy.objects, "hub": "object.electronics.usb.hub", "packaging": "object.box"},
        )
    )
    truth = GroundTruth(
        image_id="id-a",
        scene=["scene.meal"],
        attributes={"attr.has_words": True, "attr.has_animal": True},
        objects=["object.box", "object.electronics.usb.hub"],
    )
    attributes = {word: key for word, key in taxonomy.attributes.items() if word != "has_animal"}
    renamed = {
        "scene.meal": "scene.food",
        "attr.has_words": "attr.has_text",
        "object.electronics.usb.hub": "object.electronics.peripheral.hub",
    }
    today = msgspec.structs.replace(
        taxonomy, attributes=attributes, renamed=renamed, removed=["object.box", "attr.has_animal"]
    )
    assert Interface(today).read_results("id-a", older.write_results(truth)) == GroundTruth(
        image_id="id-a",
        scene=["scene.food"],
        attributes={"attr.has_text": True},
        objects=["object.electronics.peripheral.hub"],
    )


def test_a_choice_that_is_no_label_any_more_is_named_with_the_entry_to_add(interface):
    results = [choices("scene", "meal")]
    with pytest.raises(InputError, match=r"'meal', .*`taxonomy\.removed: \[scene\.meal\]`"):
        interface.read_results("id-a", results)
