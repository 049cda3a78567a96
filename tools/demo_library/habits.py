"""How often things happen: which settings, people, animals and things the photos of a scene have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tools.demo_library.creatures import ANIMALS
from tools.demo_library.oddities import ODDITIES
from tools.demo_library.screens import SCREENS
from tools.demo_library.sketch import pick
from tools.demo_library.specs import ABOVE, TABLES, ObjectSpec, PhotoSpec
from tools.demo_library.things import CATALOGUE

WILD = ("mountains", "sea", "meadow", "forest", "lake", "desert", "skyline")
OPEN_AIR = (*WILD, "street", "garden")
PETS = ("cat", "cat", "dog", "dog", "rabbit", "bird")
GRAZERS = ("sheep", "cow", "bird", "dog", "duck")


@dataclass(frozen=True, slots=True)
class Habits:
    """How photos of one scene usually are; shares are probabilities in [0, 1].

    Attributes:
        settings: Settings and how often they come, relative to each other.
        people_counts: Probabilities of 0, 1, 2, ... people.
        object_counts: Probabilities of 0, 1, 2, ... things.
        animal_share: Share with an animal.
        sign_share: Share with a sign, of those in the open air.
        background_share: Share of the second and later things that only stand beside.
        upright_share: Share in portrait format.
        sizes: Sizes in px to choose from where they are not those of a camera.
    """

    settings: Mapping[str, int]
    people_counts: tuple[float, ...] = (1.0,)
    object_counts: tuple[float, ...] = (1.0,)
    animal_share: float = 0.0
    sign_share: float = 0.0
    background_share: float = 0.1
    upright_share: float = 0.12
    sizes: tuple[tuple[int, int], ...] = ()


HABITS: dict[str, Habits] = {
    "landscape": Habits(
        settings=dict.fromkeys(WILD, 1),
        people_counts=(0.84, 0.1, 0.06),
        animal_share=0.1,
        sign_share=0.06,
    ),
    "snapshot": Habits(
        settings={"desk": 3, "room": 3, "kitchen": 1, "street": 1, "garden": 1},
        people_counts=(0.84, 0.1, 0.06),
        object_counts=(0.06, 0.24, 0.38, 0.32),
        animal_share=0.12,
        sign_share=0.5,
        background_share=0.3,
    ),
    "people": Habits(
        settings={"sea": 3, "street": 3, "mountains": 1, "garden": 1, "room": 1},
        people_counts=(0, 0.54, 0.3, 0.1, 0.06),
        object_counts=(0.74, 0.18, 0.08),
        animal_share=0.08,
        sign_share=0.08,
        background_share=0.3,
        upright_share=0.6,
    ),
    "selfie": Habits(
        settings={"sea": 2, "street": 2, "mountains": 1, "skyline": 1, "room": 1},
        people_counts=(0, 0.65, 0.35),
        animal_share=0.08,
        sign_share=0.08,
        upright_share=0.65,
    ),
    "food": Habits(
        settings={"restaurant": 6, "table top": 2, "kitchen": 1},
        people_counts=(0.93, 0.07),
        object_counts=(0, 0.5, 0.38, 0.12),
        upright_share=0.15,
    ),
    "product": Habits(
        settings={"studio": 9, "desk": 1, "carpet": 1},
        people_counts=(0.96, 0.04),
        object_counts=(0, 0.42, 0.38, 0.2),
    ),
    "document": Habits(
        settings={"table top": 1},
        object_counts=(0, 0.8, 0.16, 0.04),
        background_share=0.5,
        upright_share=0.7,
    ),
    "screenshot": Habits(
        settings=dict.fromkeys(SCREENS, 1),
        sizes=((132, 264), (132, 264), (144, 256), (240, 152), (224, 168)),
    ),
    "animals": Habits(
        settings={"meadow": 4, "garden": 4, "room": 1},
        people_counts=(0.92, 0.08),
        object_counts=(0.88, 0.12),
        animal_share=1.0,
        sign_share=0.03,
    ),
    "other": Habits(settings=dict.fromkeys(ODDITIES, 2) | {"ceiling": 1}),
}


class Deck:
    """Shuffled cards: each comes once before any comes again."""

    def __init__(self, rng: np.random.Generator, cards: Sequence[str]) -> None:
        self._rng, self._cards = rng, tuple(cards)
        self._left: list[str] = []

    def deal(self) -> str:
        """Take the next card."""
        if not self._left:
            self._left = [self._cards[index] for index in self._rng.permutation(len(self._cards))]
        return self._left.pop()


def names_of(*coarse_types: str) -> list[str]:
    """Names in the catalogue of some of the teacher's words."""
    return [name for name, thing in CATALOGUE.items() if thing.coarse_type in coarse_types]


class Shelf:
    """The decks from which a library's things are dealt, so that every kind comes often enough."""

    def __init__(self, rng: np.random.Generator) -> None:
        sweets, drinks = names_of("dessert"), names_of("drink")
        cards = ["book", "bank card", "identity card"] * 2
        things = Deck(rng, [name for name, thing in CATALOGUE.items() for _ in range(thing.weight)])
        meals = Deck(rng, names_of("food") * 2 + sweets * 2 + ["cup of coffee", "glass of juice"])
        extras = Deck(rng, drinks * 3 + sweets + names_of("food") + ["cereal box", "vase of flowers"])
        papers = Deck(rng, names_of("paper_document") * 3 + cards)
        self._things = things
        self._decks = {
            "food": (meals, extras, extras),
            "document": (papers, papers, Deck(rng, ["smartphone", "keyboard", "computer mouse"])),
            "animals": (Deck(rng, ["ball", "potted plant"]),),
        }

    def deal(self, scene: str, count: int) -> list[str]:
        """Take `count` things for a photo of a scene; things that come twice count once."""
        decks = self._decks.get(scene, (self._things,) * count)
        return list(dict.fromkeys(deck.deal() for deck in decks[:count]))


def _draw_count(rng: np.random.Generator, probabilities: tuple[float, ...]) -> int:
    return int(rng.choice(len(probabilities), p=probabilities))


def _draw_objects(rng: np.random.Generator, scene: str, shelf: Shelf) -> tuple[ObjectSpec, ...]:
    habits = HABITS[scene]
    names = shelf.deal(scene, _draw_count(rng, habits.object_counts))
    is_beside = rng.random(len(names)) < habits.background_share
    return tuple(ObjectSpec(name, index == 0 or not is_beside[index]) for index, name in enumerate(names))


def _draw_size(rng: np.random.Generator, habits: Habits) -> tuple[int, int]:
    if habits.sizes:
        return pick(rng, habits.sizes)
    if rng.random() < 0.07:
        return 192, 192
    return (168, 224) if rng.random() < habits.upright_share else (224, 168)


def _draw_setting(rng: np.random.Generator, scene: str, objects: tuple[ObjectSpec, ...], people: int) -> str:
    """Choose a setting in which all of it can be seen.

    People and what stands upright are not seen from straight above; things lie on tables, not in the street.
    """
    weights = dict(HABITS[scene].settings)
    if objects and scene == "people":
        weights = {"desk": 2, "kitchen": 1}
    if objects and scene == "snapshot":
        weights = {name: weight for name, weight in weights.items() if name not in OPEN_AIR}
        weights = {name: weights.get(name, 1) for name in TABLES} if people else weights
    is_upright = scene != "food" and any(not CATALOGUE[thing.name].is_flat for thing in objects)
    if people or is_upright:
        weights = {name: weight for name, weight in weights.items() if name not in ABOVE}
    return pick(rng, [name for name, weight in weights.items() for _ in range(weight)])


def _draw_animals(rng: np.random.Generator, scene: str, setting: str) -> tuple[str, ...]:
    if scene == "animals":
        kind = pick(rng, (*ANIMALS,) if setting in OPEN_AIR else (*PETS, "fish"))
    else:
        kind = pick(rng, GRAZERS if setting in WILD else PETS)
    return (kind,) * (2 if rng.random() < 0.25 else 1)


def draw_spec(rng: np.random.Generator, scene: str, shelf: Shelf) -> PhotoSpec:
    """Draw what one photo of a scene shows."""
    habits = HABITS[scene]
    objects = _draw_objects(rng, scene, shelf)
    people = _draw_count(rng, habits.people_counts)
    setting = _draw_setting(rng, scene, objects, people)
    animals = _draw_animals(rng, scene, setting) if rng.random() < habits.animal_share else ()
    has_sign = setting in OPEN_AIR and bool(rng.random() < habits.sign_share)
    size = _draw_size(rng, habits)
    if "fish" in animals:
        return PhotoSpec(scene, "aquarium", size, animals=animals)
    return PhotoSpec(scene, setting, size, people, animals, objects, has_sign)


def draw_specs(rng: np.random.Generator, scene_counts: Mapping[str, int]) -> list[PhotoSpec]:
    """Draw the photos of a whole library, in shuffled order.

    Args:
        rng: Source of randomness; another seed gives another library.
        scene_counts: How many photos of each of the teacher's scene words.
    """
    scenes = [scene for scene, count in scene_counts.items() for _ in range(count)]
    shelf = Shelf(rng)
    return [draw_spec(rng, scenes[index], shelf) for index in rng.permutation(len(scenes))]
