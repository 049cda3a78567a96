"""What is in a photo and how often: the specification that a renderer draws and a truth states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tools.demo_library.creatures import ANIMALS
from tools.demo_library.oddities import ODDITIES
from tools.demo_library.screens import SCREENS
from tools.demo_library.sketch import pick
from tools.demo_library.things import CATALOGUE, KEY_OF_WORD

ATTRIBUTES = ("has_person", "has_text", "has_animal", "is_document", "is_screenshot")


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


@dataclass(frozen=True, slots=True)
class Habits:
    """How photos of one scene usually are: shares are probabilities in [0, 1]."""

    settings: tuple[str, ...]
    object_counts: tuple[float, ...] = (1.0,)
    people_share: float = 0.0
    animal_share: float = 0.0
    sign_share: float = 0.0


WILD = ("mountains", "sea", "meadow", "forest", "lake", "desert", "skyline")
HABITS: dict[str, Habits] = {
    "landscape": Habits(WILD, people_share=0.2, animal_share=0.12, sign_share=0.06),
    "snapshot": Habits(
        ("desk", "desk", "desk", "room", "room", "kitchen", "street", "garden"), (0.08, 0.3, 0.37, 0.25), 0.22, 0.15, 0.2
    ),
    "people": Habits((*WILD, "street", "garden", "room", "room", "kitchen"), (0.72, 0.2, 0.08), 1.0, 0.1, 0.05),
    "selfie": Habits((*WILD, "street", "garden", "room", "kitchen"), (1.0,), 1.0, 0.08, 0.05),
    "food": Habits(("restaurant", "restaurant", "kitchen", "desk", "table top"), (0.0, 0.5, 0.38, 0.12), 0.16, 0.0),
    "product": Habits(("studio", "studio", "desk", "table top", "carpet"), (0.0, 0.5, 0.34, 0.16), 0.05, 0.0),
    "document": Habits(("table top", "table top", "desk", "carpet", "studio"), (0.0, 0.72, 0.2, 0.08)),
    "screenshot": Habits(tuple(SCREENS)),
    "animals": Habits(("meadow", "garden", "lake", "room", "carpet", "street", "forest"), (0.82, 0.18), 0.14, 1.0, 0.03),
    "other": Habits(tuple(ODDITIES)),
}
ABOVE = ("table top", "carpet")
TABLES = ("desk", "restaurant", "kitchen")


class Deck:
    """Things in a shuffled order in which each comes as often as its weight before the deck is shuffled again."""

    def __init__(self, rng: np.random.Generator, cards: Sequence[str]) -> None:
        self._rng, self._cards, self._left = rng, list(cards), [""][:0]

    def deal(self) -> str:
        """Take the next thing."""
        if not self._left:
            self._left = [self._cards[index] for index in self._rng.permutation(len(self._cards))]
        return self._left.pop()


def names_of(*coarse_types: str) -> list[str]:
    """Names in the catalogue of some of the teacher's words."""
    return [name for name, thing in CATALOGUE.items() if thing.coarse_type in coarse_types]


@dataclass(frozen=True, slots=True)
class Decks:
    """The decks from which a library's things are dealt, so that every kind comes often enough."""

    things: Deck
    meals: Deck
    extras: Deck
    papers: Deck

    @classmethod
    def shuffled(cls, rng: np.random.Generator) -> "Decks":
        """Make full decks."""
        papers = names_of("paper_document") * 3 + ["book", "book", "bank card", "bank card", "identity card", "identity card"]
        return cls(
            things=Deck(rng, [name for name, thing in CATALOGUE.items() for _ in range(thing.weight)]),
            meals=Deck(rng, names_of("food") * 2 + names_of("dessert") * 2 + ["cup of coffee", "glass of juice"]),
            extras=Deck(rng, names_of("drink") * 3 + names_of("dessert", "food") + ["cereal box", "vase of flowers"]),
            papers=Deck(rng, papers),
        )


def _deal_objects(rng: np.random.Generator, scene: str, decks: Decks) -> tuple[ObjectSpec, ...]:
    habits = HABITS[scene]
    count = int(rng.choice(len(habits.object_counts), p=habits.object_counts))
    if scene == "animals":
        return tuple(ObjectSpec(pick(rng, ("ball", "potted plant"))) for _ in range(count))
    if scene == "document":
        deck = [decks.papers, decks.papers, decks.things]
    elif scene == "food":
        deck = [decks.meals, decks.extras, decks.extras]
    else:
        deck = [decks.things] * 3
    names = dict.fromkeys(deck[index].deal() for index in range(count))
    background_share = {"snapshot": 0.3, "people": 0.3, "document": 0.5}.get(scene, 0.1)
    return tuple(ObjectSpec(name, index == 0 or rng.random() >= background_share) for index, name in enumerate(names))


def _draw_size(rng: np.random.Generator, scene: str) -> tuple[int, int]:
    if scene == "screenshot":
        return pick(rng, ((132, 264), (132, 264), (144, 256), (240, 152), (224, 168)))
    upright = {"people": 0.4, "selfie": 0.55, "document": 0.55, "food": 0.3, "animals": 0.3}.get(scene, 0.22)
    if rng.random() < 0.07:
        return (192, 192)
    return (168, 224) if rng.random() < upright else (224, 168)


def _draw_setting(rng: np.random.Generator, scene: str, objects: tuple[ObjectSpec, ...], people: int) -> str:
    """Choose a setting in which this can be seen: what stands needs a table's edge, people need more than a table top."""
    settings = HABITS[scene].settings
    if scene in ("people", "snapshot") and objects:
        settings = TABLES if people else tuple(name for name in settings if name not in ("street", "garden"))
    is_upright = any(not CATALOGUE[thing.name].is_flat for thing in objects) and scene != "food"
    if people or is_upright:
        settings = tuple(name for name in settings if name not in ABOVE)
    return pick(rng, settings)


def draw_spec(rng: np.random.Generator, scene: str, decks: Decks) -> PhotoSpec:
    """Draw what one photo of a scene shows."""
    habits = HABITS[scene]
    objects = _deal_objects(rng, scene, decks)
    people = int(rng.choice(4, p=(0.45, 0.32, 0.15, 0.08))) + 1 if rng.random() < habits.people_share else 0
    people = people if scene == "people" else min(people, 2 if scene in ("selfie", "snapshot", "landscape") else 1)
    animals: tuple[str, ...] = ()
    setting = _draw_setting(rng, scene, objects, people)
    if rng.random() < habits.animal_share:
        animals = _draw_animals(rng, scene, setting)
        setting = "aquarium" if animals[0] == "fish" else setting
    if setting == "aquarium":
        people, objects = 0, ()
    has_sign = rng.random() < habits.sign_share * (3 if setting == "street" else 1) and setting in (*WILD, "street", "garden")
    return PhotoSpec(scene, setting, _draw_size(rng, scene), people, animals, objects, has_sign)


def _draw_animals(rng: np.random.Generator, scene: str, setting: str) -> tuple[str, ...]:
    pets, wild = ("cat", "cat", "dog", "dog", "rabbit", "bird"), ("sheep", "cow", "bird", "dog", "duck")
    if scene == "animals":
        kinds = (*ANIMALS,) if setting in (*WILD, "garden") else (*pets, "fish")
    else:
        kinds = wild if setting in WILD else pets
    kind = pick(rng, kinds)
    return (kind,) * (1 + int(rng.random() < 0.25))


def draw_specs(rng: np.random.Generator, scene_counts: Mapping[str, int]) -> list[PhotoSpec]:
    """Draw the photos of a whole library, in shuffled order.

    Args:
        rng: Source of randomness; another seed gives another library.
        scene_counts: How many photos of each of the teacher's scene words.
    """
    scenes = [scene for scene, count in scene_counts.items() for _ in range(count)]
    decks = Decks.shuffled(rng)
    return [draw_spec(rng, scenes[index], decks) for index in rng.permutation(len(scenes))]


def describe(spec: PhotoSpec) -> str:
    """Say in one English sentence what a photo shows."""
    parts = [f"{count} {word}" for word, count in (("person", spec.people),) if count == 1]
    parts += [f"{spec.people} people"] if spec.people > 1 else []
    parts += [f"{len(spec.animals)} {spec.animals[0]}s" if len(spec.animals) > 1 else f"a {kind}" for kind in spec.animals[:1]]
    parts += [f"a {thing.name}" for thing in spec.objects] + (["a sign"] if spec.has_sign else [])
    kind = {"people": "a photo of people", "document": "a photo of a document", "other": "a picture"}.get(
        spec.scene, f"a {spec.scene}" if spec.scene in ("landscape", "snapshot", "selfie", "screenshot") else f"a photo of {spec.scene}"
    )
    place = f" ({spec.setting})"
    return kind + place + (" with " + ", ".join(parts) if parts else "")
