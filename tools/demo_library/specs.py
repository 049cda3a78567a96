"""What is in a photo: the specification that a renderer draws, a truth states and a caption tells."""

from dataclasses import dataclass

from tools.demo_library.things import CATALOGUE, KEY_OF_WORD

ABOVE = ("table top", "carpet")
TABLES = ("desk", "restaurant", "kitchen")


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """One thing that is drawn where it can be seen.

    Attributes:
        name: A name of the catalogue.
        is_main: Whether the photo is of it; else it stands smaller beside.
    """

    name: str
    is_main: bool = True

    @property
    def coarse_type(self) -> str:
        """The teacher's word for its kind."""
        return CATALOGUE[self.name].coarse_type


@dataclass(frozen=True, slots=True)
class PhotoSpec:
    """Everything that a photo shows.

    Attributes:
        scene: The teacher's scene word (`selfie` is a people scene).
        setting: Name of the backdrop, screen or oddity.
        size: Width and height in px.
        people: How many people are seen.
        animals: Kinds of the animals seen.
        objects: The things seen, every one of them certainly visible.
        has_sign: Whether a sign with a legible name stands there.
    """

    scene: str
    setting: str
    size: tuple[int, int]
    people: int = 0
    animals: tuple[str, ...] = ()
    objects: tuple[ObjectSpec, ...] = ()
    has_sign: bool = False

    @property
    def scene_key(self) -> str:
        """The contract's scene key."""
        return "scene.people" if self.scene == "selfie" else f"scene.{self.scene}"

    @property
    def object_keys(self) -> list[str]:
        """The contract's object keys of the things seen, sorted and unique."""
        words = {thing.coarse_type for thing in self.objects}
        return sorted({KEY_OF_WORD[word] for word in words if word in KEY_OF_WORD})

    @property
    def attributes(self) -> dict[str, bool]:
        """The five attributes by the teacher's names."""
        is_screenshot = self.scene == "screenshot"
        is_printed = any(CATALOGUE[thing.name].has_text for thing in self.objects)
        return {
            "has_person": self.people > 0,
            "has_text": is_screenshot or is_printed or self.has_sign,
            "has_animal": bool(self.animals),
            "is_document": self.scene == "document",
            "is_screenshot": is_screenshot,
        }


_KINDS = {
    "landscape": "a landscape",
    "snapshot": "a snapshot",
    "people": "a photo of people",
    "selfie": "a selfie",
    "food": "a photo of food",
    "product": "a product photo",
    "document": "a photo of a document",
    "screenshot": "a screenshot",
    "animals": "a photo of animals",
    "other": "a picture of nothing in particular",
}
_PLACES = {
    "sea": "by the sea",
    "mountains": "in the mountains",
    "desert": "in the desert",
    "skyline": "before a skyline",
    "lake": "by a lake",
    "room": "in a living room",
    "desk": "on a desk",
    "studio": "before a plain backdrop",
    "table top": "on a table, from above",
    "carpet": "on the floor, from above",
}
_UNCOUNTED = ("headphones", "wireless earbuds", "fried eggs", "salad", "sushi", "hamburger with fries")


def _count(noun: str, number: int) -> str:
    if number > 1:
        return (
            f"{number} {'people' if noun == 'person' else noun if noun in ('sheep', 'fish') else noun + 's'}"
        )
    if noun in _UNCOUNTED:
        return noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def describe(spec: PhotoSpec) -> str:
    """Say in one English sentence what a photo shows."""
    nouns = ["person"] * spec.people + list(spec.animals) + [thing.name for thing in spec.objects]
    nouns += ["sign"] * spec.has_sign
    seen = [_count(noun, nouns.count(noun)) for noun in dict.fromkeys(nouns)]
    default = f": {spec.setting}" if spec.scene in ("other", "screenshot") else f"in a {spec.setting}"
    place = _PLACES.get(spec.setting, default)
    shown = f" with {', '.join(seen)}" if seen else ""
    return f"{_KINDS[spec.scene]}{shown}{'' if place.startswith(':') else ' '}{place}"
