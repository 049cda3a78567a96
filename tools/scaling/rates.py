"""How fast one machine, one GPU and one client are: rates in photos a second, from the figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tools.scaling.figures import Figure, read_figures

TEACHERS = {"Qwen3-VL 8B": "8b", "Qwen3-VL 32B": "32b"}
"""A teacher's name, and how the names of its figures end."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Photos a second of everything that reads pixels."""

    figures: Mapping[str, Figure]

    @classmethod
    def read(cls) -> Self:
        """Return the rates that `figures.yaml` gives."""
        return cls(read_figures())

    def value(self, name: str) -> float:
        """Return a figure's value."""
        return self.figures[name].value

    def mount(self) -> float:
        """Return how many photos a second the mount delivers."""
        return self.value("mount_bytes_per_second") / self.value("photo_bytes")

    def teacher(self, suffix: str) -> float:
        """Return the requests a second of one GPU, which reads prompts and writes answers in turn."""
        prompt_seconds = self.value("prompt_tokens") / self.value(f"prompt_tokens_per_second_{suffix}")
        answer_seconds = self.value("answer_tokens") / self.value(f"answer_tokens_per_second_{suffix}")
        return 1 / (prompt_seconds + answer_seconds)

    def client(self, cores: float) -> float:
        """Return the requests a second that one client sends, at most: one core asks, all prepare."""
        ask, prepare = self.value("ask_core_seconds"), self.value("prepare_request_core_seconds")
        return min(1 / ask, cores / (ask + prepare))

    def embed_cpu(self) -> float:
        """Return the photos a second that one machine embeds on its cores."""
        seconds = self.value("prepare_embedding_core_seconds") + self.value("encode_core_seconds")
        return self.value("machine_cores") / seconds

    def embed_gpu(self) -> float:
        """Return the photos a second of one GPU and the cores beside it, the slower of the two."""
        prepare = self.value("machine_cores") / self.value("prepare_embedding_core_seconds")
        return min(prepare, self.value("encode_photos_per_second_gpu"))

    def embed(self, machines: int, has_gpu: bool) -> float:
        """Return what several machines embed over one mount."""
        return min(machines * (self.embed_gpu() if has_gpu else self.embed_cpu()), self.mount())
