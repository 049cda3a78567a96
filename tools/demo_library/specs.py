"""What is in a photo: the specification that a renderer draws and a truth states."""

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
