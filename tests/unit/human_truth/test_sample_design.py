import pytest

from vibe_photos.errors import InputError
from vibe_photos.human_truth.sample_design import read_sample_design
from vibe_photos.records.ground_truth import GroundTruth


@pytest.mark.parametrize("field", ["inclusion_probability", "stratum_photos", "stratum_rank"])
def test_an_impossible_design_names_photo_and_field(field) -> None:
    design = {"stratum": "x", "stratum_photos": 5, "stratum_rank": 1, "inclusion_probability": 0.2, field: 0}
    with pytest.raises(InputError, match=rf"photo a: {field} is 0, .* unchanged from to_review.json"):
        read_sample_design(GroundTruth(image_id="a", extra=design))
