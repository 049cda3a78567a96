"""Labels as Label Studio shows them (its labelling configuration) and as it stores them (its results).

One control each for the scene (one choice), every attribute (yes, no, or nothing: not judged) and the objects
(a tree, in which every node is a label key). The formats are those of Label Studio's documentation:
https://labelstud.io/guide/task_format, https://labelstud.io/tags/choices, https://labelstud.io/tags/taxonomy.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from xml.sax.saxutils import quoteattr

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.taxonomy import head_keys, label_name, parent_key
from vibe_photos.settings import Taxonomy

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

PHOTO = "photo"
SCENE = "scene"
OBJECTS = "objects"

Result = dict[str, Any]
"""One entry of an annotation's or a prediction's `result`."""

Node = tuple[str, ...]
"""A node of the tree of objects: the names from its top."""

_YES_NO = {"yes": True, "no": False}


class _ChoicesValue(msgspec.Struct, frozen=True):
    choices: list[str]


class _TaxonomyValue(msgspec.Struct, frozen=True):
    taxonomy: list[list[str]]


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

    def write_config(self) -> str:
        """Return the labelling configuration, XML."""
        attributes = [_write_choices(name, name, _YES_NO) for name in self.attributes]
        tree = "".join(_write_nodes(self.objects, (), "    "))
        return (
            "<View>\n"
            f'  <Image name="{PHOTO}" value="$image" zoom="true" zoomControl="true"/>\n'
            f"{_write_choices(SCENE, 'scene', self.scenes)}{''.join(attributes)}"
            '  <Header value="objects" size="5"/>\n'
            f'  <Taxonomy name="{OBJECTS}" toName="{PHOTO}" showFullPath="true">\n{tree}  </Taxonomy>\n'
            "</View>\n"
        )

    def write_results(self, record: GroundTruth) -> list[Result]:
        """Return a truth as results; it has no key that the taxonomy lacks."""
        names = {key: name for name, key in (*self.scenes.items(), *self.attributes.items())}
        nodes = {key: list(node) for node, key in self.objects.items()}
        results = [_choose(SCENE, names[key]) for key in record.scene]
        results += [
            _choose(names[key], "yes" if is_true else "no")
            for key, is_true in sorted(record.attributes.items())
        ]
        if record.objects:
            chosen = {"taxonomy": [nodes[key] for key in sorted(record.objects)]}
            results.append(_result(OBJECTS, "taxonomy", chosen))
        return results

    def read_results(self, image_id: str, results: Sequence[Result]) -> GroundTruth:
        """Return results as a truth; those of controls that are not ours are passed over.

        Raises:
            InputError: a choice has no label key, two contradict each other, or a value is malformed.
        """
        scenes: set[str] = set()
        attributes: dict[str, bool] = {}
        objects: set[str] = set()
        for result in results:
            control = str(result.get("from_name"))
            if control == SCENE:
                scenes |= {_look_up(self.scenes, name, control) for name in _read_choices(result)}
            elif control == OBJECTS:
                objects |= {_look_up(self.objects, node, control) for node in _read_nodes(result)}
            elif control in self.attributes:
                for name in _read_choices(result):
                    is_true = _look_up(_YES_NO, name, control)
                    if attributes.setdefault(self.attributes[control], is_true) != is_true:
                        raise InputError(f"{control} is both yes and no")
        if len(scenes) > 1:
            raise InputError(f"more than one scene: {', '.join(sorted(scenes))}")
        return GroundTruth(
            image_id=image_id, scene=sorted(scenes), attributes=attributes, objects=sorted(objects)
        )


def _find_node(key: str, keys: Sequence[str]) -> Node:
    """Return a key's node: what stands between two keys that exist joins the lower one's name."""
    parent = parent_key(key, keys)
    if parent is None:
        return (key.partition(".")[2] or key,)
    return (*_find_node(parent, keys), key.removeprefix(f"{parent}."))


def _write_choices(control: str, title: str, names: Mapping[str, Any]) -> str:
    choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in names)
    return (
        f'  <Header value={quoteattr(title)} size="5"/>\n'
        f'  <Choices name={quoteattr(control)} toName="{PHOTO}" choice="single" showInline="true">\n'
        f"{choices}  </Choices>\n"
    )


def _write_nodes(objects: Mapping[Node, str], parent: Node, indent: str) -> list[str]:
    lines = []
    for node in objects:
        if node[:-1] == parent:
            start = f"{indent}<Choice value={quoteattr(node[-1])}"
            inner = _write_nodes(objects, node, f"{indent}  ")
            lines += [f"{start}>\n", *inner, f"{indent}</Choice>\n"] if inner else [f"{start}/>\n"]
    return lines


def _choose(control: str, name: str) -> Result:
    return _result(control, "choices", {"choices": [name]})


def _result(control: str, kind: str, value: dict[str, Any]) -> Result:
    return {"id": control, "from_name": control, "to_name": PHOTO, "type": kind, "value": value}


def _read_choices(result: Result) -> list[str]:
    return _convert(result, _ChoicesValue).choices


def _read_nodes(result: Result) -> list[Node]:
    return [tuple(node) for node in _convert(result, _TaxonomyValue).taxonomy]


def _convert(result: Result, kind: type[T]) -> T:
    try:
        return msgspec.convert(result.get("value"), kind)
    except msgspec.ValidationError as error:
        raise InputError(
            f"{result.get('from_name')} has a value that is not its control's: {error}"
        ) from None


def _look_up(known: Mapping[K, V], name: K, control: str) -> V:
    if name not in known:
        said = "/".join(name) if isinstance(name, tuple) else name
        raise InputError(
            f"{control} has the choice {said!r}, which is no label; has the taxonomy changed since?"
        )
    return known[name]
