"""The catalogue: every thing that can lie in a photo, its word, its key and who draws it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tools.demo_library import computers, gadgets, meals, stationery

KEY_OF_WORD: dict[str, str] = {
    "electronics": "object.electronics",
    "computer_case": "object.electronics",
    "circuit_board": "object.electronics.circuit_board",
    "disk": "object.electronics.disk",
    "charger": "object.electronics.charger",
    "phone": "object.electronics.phone",
    "laptop": "object.electronics.laptop",
    "tablet": "object.electronics.tablet",
    "mini_pc": "object.electronics.mini_pc",
    "camera": "object.electronics.camera",
    "monitor": "object.electronics.display.monitor",
    "screen": "object.electronics.display.monitor",
    "keyboard": "object.electronics.peripheral.keyboard",
    "mouse": "object.electronics.peripheral.mouse",
    "hub": "object.electronics.peripheral.hub",
    "earphones": "object.electronics.audio.earbuds",
    "headphones": "object.electronics.audio.headphones",
    "game_console": "object.electronics.console",
    "controller": "object.electronics.console.controller",
    "food": "object.food",
    "dessert": "object.food.dessert",
    "drink": "object.drink",
    "paper_document": "object.document.paper",
    "book": "object.document.book",
    "card": "object.document.bank_card",
    "id_card": "object.document.id_card",
    "packaging": "object.dailystuff",
}
"""The contract's keys of the teacher's words; `other_object` and `unknown` have none."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One kind of thing that can be drawn.

    Attributes:
        name: What a person calls it; unique in the catalogue.
        coarse_type: The teacher's word for its kind.
        draw: Draws it on its own sheet.
        is_flat: Whether it lies on a table rather than standing there.
        size: Its width relative to a laptop's (1.0), evened out as photographers do by stepping closer.
        has_text: Whether something legible is printed on it.
        weight: How many of it a full deck of things holds.
    """

    name: str
    coarse_type: str
    draw: Callable[[np.random.Generator], Image.Image]
    is_flat: bool
    size: float
    has_text: bool = False
    weight: int = 0


CATALOGUE: dict[str, Thing] = {
    thing.name: thing
    for thing in (
        Thing("keyboard", "keyboard", computers.draw_keyboard, True, 1.05, weight=11),
        Thing("computer mouse", "mouse", computers.draw_mouse, True, 0.42, weight=8),
        Thing("laptop", "laptop", computers.draw_laptop, False, 1.0, weight=11),
        Thing("desktop monitor", "monitor", computers.draw_monitor, False, 1.05, weight=7),
        Thing("television", "screen", computers.draw_television, False, 1.15, weight=4),
        Thing("smartphone", "phone", computers.draw_phone, True, 0.46, weight=11),
        Thing("tablet", "tablet", computers.draw_tablet, True, 0.85, weight=7),
        Thing("mini computer", "mini_pc", computers.draw_mini_pc, False, 0.75, weight=7),
        Thing("desktop tower", "computer_case", computers.draw_desktop_tower, False, 0.62, weight=5),
        Thing("USB hub", "hub", computers.draw_hub, False, 0.85, weight=7),
        Thing("hard disk", "disk", computers.draw_hard_disk, True, 0.55, weight=4),
        Thing("solid-state drive", "disk", computers.draw_memory_drive, True, 0.6, weight=3),
        Thing("circuit board", "circuit_board", computers.draw_circuit_board, True, 0.85, weight=7),
        Thing("phone charger", "charger", gadgets.draw_charger, True, 0.7, weight=7),
        Thing("wireless router", "electronics", gadgets.draw_router, False, 0.85, weight=3),
        Thing("portable radio", "electronics", gadgets.draw_radio, False, 0.75, weight=3),
        Thing("camera", "camera", gadgets.draw_camera, False, 0.75, weight=8),
        Thing("headphones", "headphones", gadgets.draw_headphones, False, 0.7, weight=8),
        Thing("wireless earbuds", "earphones", gadgets.draw_earbuds, True, 0.6, weight=7),
        Thing("game console", "game_console", gadgets.draw_console, False, 0.7, weight=7),
        Thing("game controller", "controller", gadgets.draw_controller, True, 0.75, weight=7),
        Thing("pizza", "food", meals.draw_pizza, False, 1.0),
        Thing("bowl of noodle soup", "food", meals.draw_noodle_soup, False, 0.9),
        Thing("salad", "food", meals.draw_salad, False, 1.0),
        Thing("hamburger with fries", "food", meals.draw_burger, False, 0.9),
        Thing("fried eggs", "food", meals.draw_fried_egg_plate, False, 1.0),
        Thing("sushi", "food", meals.draw_sushi, False, 1.0),
        Thing("bowl of fruit", "food", meals.draw_fruit_bowl, False, 0.85),
        Thing("slice of cake", "dessert", meals.draw_cake, False, 0.8),
        Thing("ice cream", "dessert", meals.draw_ice_cream, False, 0.5),
        Thing("donut", "dessert", meals.draw_donut, False, 0.75),
        Thing("cup of coffee", "drink", meals.draw_coffee, False, 0.6, weight=4),
        Thing("glass of juice", "drink", meals.draw_juice, False, 0.42, weight=1),
        Thing("glass of wine", "drink", meals.draw_wine, False, 0.38),
        Thing("bottle", "drink", meals.draw_bottle, False, 0.3, weight=2),
        Thing("letter", "paper_document", stationery.draw_letter, True, 0.75, True, 2),
        Thing("receipt", "paper_document", stationery.draw_receipt, True, 0.45, True, 2),
        Thing("form", "paper_document", stationery.draw_form, True, 0.75, True),
        Thing("handwritten note", "paper_document", stationery.draw_note, True, 0.7, True, 1),
        Thing("book", "book", stationery.draw_book, True, 0.75, True, 8),
        Thing("bank card", "card", stationery.draw_bank_card, True, 0.65, True, 5),
        Thing("identity card", "id_card", stationery.draw_id_card, True, 0.65, True, 4),
        Thing("cereal box", "packaging", stationery.draw_cereal_box, False, 0.62, True, 5),
        Thing("parcel", "packaging", stationery.draw_parcel, False, 0.9, True, 4),
        Thing("tin", "packaging", stationery.draw_tin, False, 0.5, True, 5),
        Thing("potted plant", "other_object", gadgets.draw_plant, False, 0.55, weight=4),
        Thing("ball", "other_object", gadgets.draw_ball, False, 0.45, weight=3),
        Thing("table lamp", "other_object", gadgets.draw_table_lamp, False, 0.5, weight=3),
        Thing("vase of flowers", "other_object", gadgets.draw_vase, False, 0.45, weight=3),
    )
}
