import numpy as np
import pytest
from PIL import Image
from tools.demo_library.arrangement import Placed, arrange, visible_shares
from tools.demo_library.habits import HABITS, draw_specs
from tools.demo_library.indoors import INDOORS
from tools.demo_library.placing import Pose

SQUARE = Image.new("RGBA", (10, 10), (255, 0, 0, 255))
PHOTO = (480, 480)


def test_a_sticker_that_is_covered_by_half_is_half_seen() -> None:
    behind = Placed(SQUARE, Pose(x=0.5, y=0.75, width=0.5))
    before = Placed(SQUARE, Pose(x=0.75, y=0.75, width=0.5))
    assert visible_shares([behind, before], PHOTO).tolist() == pytest.approx([0.5, 1.0])


def test_what_reaches_out_of_the_photo_is_not_seen() -> None:
    assert visible_shares([Placed(SQUARE, Pose(x=0.0, y=0.75, width=0.5))], PHOTO).tolist() == pytest.approx(
        [0.5]
    )


def test_hardly_anything_drawn_is_hidden() -> None:
    counts = {scene: 12 for scene in HABITS if scene not in ("screenshot", "other")}
    shares = []
    for number, spec in enumerate(draw_specs(np.random.default_rng(3), counts)):
        ground = 0.5 if spec.setting in INDOORS else 0.6
        rng = np.random.default_rng(number)
        size = (spec.size[0] * 2, spec.size[1] * 2)
        shares += visible_shares(arrange(rng, spec, ground, size), size).tolist()
    assert len(shares) > 120
    assert min(shares) > 0.2
    assert np.mean(np.array(shares) < 0.5) < 0.05
