"""Convert labels to and from Label Studio: its labelling configuration and its results.

One control each for the scene (one choice), every attribute (yes, no, or nothing: not judged) and the objects
(a tree, in which every node is a label key). The formats are those of Label Studio's documentation:
https://labelstud.io/guide/task_format, https://labelstud.io/tags/choices, https://labelstud.io/tags/choice, https://labelstud.io/tags/taxonomy.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.records.ground_truth import GroundTruth, KeyFitter
from vibe_photos.records.taxonomy import (
    PREFIXES,
    describe_entry,
    head_keys,
    label_name,
    parent_key,
    show_meaning,
    show_name,
)
from vibe_photos.settings import HeadName, Taxonomy

T = TypeVar("T")

PHOTO = "photo"
SCENE = "scene"
OBJECTS = "objects"

Result = dict[str, Any]
"""One entry of an annotation's or a prediction's `result`."""

Node = tuple[str, ...]
"""A node of the tree of objects: the names from its top."""

_YES_NO = {"yes": True, "no": False}


class Interface:
    """The controls that a taxonomy asks for.

    Attributes:
        scenes: label key by choice.
        attributes: label key by control.
        objects: label key by node.
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        objects = head_keys(taxonomy, "object")
        self.scenes = {label_name(key): key for key in head_keys(taxonomy, "scene")}
        self.attributes = {label_name(key): key for key in head_keys(taxonomy, "attribute")}
        self.objects = {_find_node(key, objects): key for key in objects}
        # Also the old names, for projects made before a rename; current names take precedence.
        self._scenes = {**_name_older(taxonomy, "scene"), **self.scenes}
        self._attributes = {**_name_older(taxonomy, "attribute"), **self.attributes}
        self._taxonomy = taxonomy
        self._fitter = KeyFitter(taxonomy)

    def write_config(self) -> str:
        """Return the labelling configuration, XML; what a label means is in its header or its hint.

        The values of choices are short names: they are in the results, which a new name must not change.
        """
        view = ElementTree.Element("View")
        ElementTree.SubElement(view, "Image", name=PHOTO, value="$image", zoom="true", zoomControl="true")
        taxonomy = self._taxonomy
        hints = {name: show_meaning(key, taxonomy) for name, key in self.scenes.items()}
        _add_choices(view, SCENE, "Scene", hints)
        for control, key in self.attributes.items():
            title = ": ".join(filter(None, (show_name(key, taxonomy), show_meaning(key, taxonomy))))
            _add_choices(view, control, title, dict.fromkeys(_YES_NO, ""))
        ElementTree.SubElement(view, "Header", value="Objects", size="5")
        tree = ElementTree.SubElement(view, "Taxonomy", name=OBJECTS, toName=PHOTO, showFullPath="true")
        _add_nodes(tree, {node: show_meaning(key, taxonomy) for node, key in self.objects.items()}, ())
        ElementTree.indent(view)
        return ElementTree.tostring(view, encoding="unicode") + "\n"

    def write_results(self, record: GroundTruth) -> list[Result]:
        """Return a truth as results; all its keys are in the taxonomy."""
        names = {key: name for name, key in (*self.scenes.items(), *self.attributes.items())}
        nodes = {key: list(node) for node, key in self.objects.items()}
        results = [_make_result(SCENE, "choices", [names[key]]) for key in record.scene]
        results += [
            _make_result(names[key], "choices", ["yes" if is_true else "no"])
            for key, is_true in sorted(record.attributes.items())
        ]
        if record.objects:
            results.append(_make_result(OBJECTS, "taxonomy", [nodes[key] for key in sorted(record.objects)]))
        return results

    def read_results(self, image_id: str, results: Sequence[Result]) -> GroundTruth:
        """Return results as a truth; unknown controls are ignored, and renamed keys replaced.

        Raises:
            InputError: a choice has no label key, two contradict each other, or a value is malformed.
        """
        scenes: set[str] = set()
        attributes: dict[str, bool] = {}
        objects: dict[str, list[str]] = {}
        for result in results:
            control = str(result.get("from_name"))
            if control == SCENE:
                for name in _read_value(result, "choices", list[str]):
                    scenes.add(self._scenes.get(name, f"scene.{name}"))
            elif control == OBJECTS:
                # A node's names are the parts of its key.
                nodes = _read_value(result, "taxonomy", list[list[str]])
                objects |= {f"object.{'.'.join(node)}": node for node in nodes}
            elif control in self._attributes:
                for name in _read_value(result, "choices", list[str]):
                    if name not in _YES_NO:
                        raise InputError(f"{control} has the choice {name!r}, which is neither yes nor no")
                    is_true = _YES_NO[name]
                    if attributes.setdefault(self._attributes[control], is_true) != is_true:
                        raise InputError(f"{control} is both yes and no")
        said = GroundTruth(
            image_id=image_id, scene=sorted(scenes), attributes=attributes, objects=sorted(objects)
        )
        truth, unknown = self._fitter.fit(said, lifts=False)
        for key in unknown:
            control, names = (OBJECTS, objects[key]) if key in objects else (SCENE, [label_name(key)])
            raise InputError(
                f"{control} has the choice {'/'.join(names)!r}, which is not a label; "
                f"{describe_entry(key, self._taxonomy)}"
            )
        if len(truth.scene) > 1:
            raise InputError(f"more than one scene: {', '.join(truth.scene)}")
        return truth

    def log_changes(self, file: Path) -> None:
        """Log once per key what was dropped from the results."""
        self._fitter.log_changes(file)


def _name_older(taxonomy: Taxonomy, head: HeadName) -> dict[str, str]:
    """Return the keys that were renamed or removed, by their short name."""
    older = (*taxonomy.renamed, *taxonomy.removed)
    return {label_name(key): key for key in older if key.startswith(f"{PREFIXES[head]}.")}


def _find_node(key: str, keys: Sequence[str]) -> Node:
    """Return a key's node; levels that are not keys themselves become part of the child's name."""
    parent = parent_key(key, keys)
    if parent is None:
        return (key.partition(".")[2] or key,)
    return (*_find_node(parent, keys), key.removeprefix(f"{parent}."))


def _add_choices(view: ElementTree.Element, control: str, title: str, hints: Mapping[str, str]) -> None:
    ElementTree.SubElement(view, "Header", value=title, size="5")
    choices = ElementTree.SubElement(
        view, "Choices", name=control, toName=PHOTO, choice="single", showInline="true"
    )
    for name, hint in hints.items():
        _add_choice(choices, name, hint)


def _add_nodes(above: ElementTree.Element, hints: Mapping[Node, str], parent: Node) -> None:
    for node, hint in hints.items():
        if node[:-1] == parent:
            _add_nodes(_add_choice(above, node[-1], hint), hints, node)


def _add_choice(above: ElementTree.Element, value: str, hint: str) -> ElementTree.Element:
    choice = ElementTree.SubElement(above, "Choice", value=value)
    if hint:
        choice.set("hint", hint)
    return choice


def _make_result(control: str, kind: str, chosen: list[Any]) -> Result:
    return {"id": control, "from_name": control, "to_name": PHOTO, "type": kind, "value": {kind: chosen}}


def _read_value(result: Result, kind: str, shape: type[T]) -> T:
    try:
        return msgspec.convert(result["value"][kind], shape)
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise InputError(
            f"{result.get('from_name')} has a value that is not its control's, a list of {kind}: {error}"
        ) from None
