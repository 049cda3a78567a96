import logging

import numpy as np
import pytest
import torch

from vibe_photos.encoders.image_tower import (
    ImageTower,
    find_device,
    measure_agreement,
    reduce_precision,
    run_module,
)
from vibe_photos.errors import EncoderError

PX = 8
CPU = torch.device("cpu")


def make_module(seed: int = 0) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * PX * PX, 16)).eval()


def test_pixels_are_scaled_to_minus_one_and_one() -> None:
    pixels = np.zeros((1, 2, 2, 3), dtype=np.uint8)
    pixels[0, 0, 0] = 255, 0, 51
    seen = run_module(torch.nn.Flatten(), torch.from_numpy(pixels), torch.float32).reshape(3, 2, 2)
    # 51 / 255 = 0.2; (0.2 - 0.5) / 0.5 = -0.6.
    np.testing.assert_allclose(seen[:, 0, 0], [1.0, -1.0, -0.6], atol=1e-6)
    np.testing.assert_allclose(seen[:, 1, 1], [-1.0, -1.0, -1.0])


def test_the_output_has_a_row_for_each_photo() -> None:
    tower = ImageTower(make_module(), PX, "cpu", "float32", batch_size=32)
    pixels = np.random.default_rng(0).integers(0, 256, (7, PX, PX, 3), np.uint8)
    features = tower.run(pixels)
    with torch.inference_mode():
        expected = run_module(make_module(), torch.from_numpy(pixels), torch.float32)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected, atol=1e-6)


def test_in_float64_scaling_and_module_compute_in_float64_on_the_processor() -> None:
    tower = ImageTower(make_module(), PX, "cuda", "float64", batch_size=32)
    pixels = np.random.default_rng(0).integers(0, 256, (5, PX, PX, 3), np.uint8)
    weight, bias = (part.detach().numpy().astype(np.float64) for part in make_module()[1].parameters())
    expected = ((pixels / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2).reshape(5, -1) @ weight.T + bias
    features = tower.run(pixels)
    assert features.dtype == np.float64
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-13)


def test_an_accelerator_out_of_memory_gets_fewer_photos_at_a_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop for GPUs, on the processor, with a module that takes two photos at most."""

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = make_module()

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            if len(pixels) > 2:
                raise torch.OutOfMemoryError
            result: torch.Tensor = self.inner(pixels)
            return result

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    tower = ImageTower(Small(), PX, "cpu", "float32", batch_size=4)
    monkeypatch.setattr(tower, "_threads", None)
    pixels = np.random.default_rng(0).integers(0, 256, (7, PX, PX, 3), np.uint8)
    with caplog.at_level(logging.WARNING):
        features = tower.run(pixels)
    assert "out of memory on cpu, now 2 photos at a time" in caplog.text
    np.testing.assert_allclose(
        features, ImageTower(make_module(), PX, "cpu", "float32", 4).run(pixels), atol=1e-6
    )


def test_bfloat16_is_compared_with_float32() -> None:
    same, other = make_module().to(torch.bfloat16), make_module(seed=1).to(torch.bfloat16)
    assert measure_agreement(make_module(), same, PX, CPU) > 0.999
    assert measure_agreement(make_module(), other, PX, CPU) < 0.9


def test_bfloat16_that_disagrees_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})

    class Fragile(torch.nn.Module):
        """Gives what float32 tells apart and bfloat16 does not: thousandths beside a thousand."""

        def __init__(self) -> None:
            super().__init__()
            self.large = torch.nn.Parameter(torch.tensor(1000.0))

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return (pixels.flatten(1) + self.large) - self.large

    fragile = Fragile()
    with caplog.at_level(logging.WARNING):
        assert reduce_precision(fragile, PX, CPU) is fragile
    assert "going on in float32" in caplog.text


def test_bfloat16_that_agrees_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})

    class Exact(torch.nn.Module):
        """Gives means that bfloat16 rounds by less than the cosine may differ."""

        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(2.0))

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels.flatten(1) * self.scale

    exact = Exact()
    reduced = reduce_precision(exact, PX, CPU)
    assert next(reduced.parameters()).dtype == torch.bfloat16
    assert next(exact.parameters()).dtype == torch.float32


def test_a_processor_without_bfloat16_computes_in_float32_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    module = make_module()
    with caplog.at_level(logging.WARNING):
        assert reduce_precision(module, PX, CPU) is module
    assert "does not compute in bfloat16" in caplog.text


def test_devices_that_are_not_there_are_named() -> None:
    assert find_device("cpu") == CPU
    with pytest.raises(EncoderError, match="'toaster' is not a device"):
        find_device("toaster")
    with pytest.raises(EncoderError, match="torch finds no meta"):
        find_device("meta")
