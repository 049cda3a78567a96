"""The page of `vibe-photos compare --html`: self-contained, in the report's style, without pictures."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from vibe_photos.compare.compare import LabelComparison
from vibe_photos.compare.text import (
    describe_changes,
    describe_verdict,
    format_difference_interval,
    sort_flips,
)
from vibe_photos.storage.files import write_bytes


def render_comparison(found: LabelComparison, level: float, names: Mapping[str, str], out: Path) -> None:
    """Write the page to `out`; `names` gives a photo's path by its id where it is known."""
    environment = Environment(
        loader=PackageLoader("vibe_photos.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("comparison.html").render(
        found=found,
        level=level,
        names=names,
        changes=describe_changes(found),
        verdict=describe_verdict(found, level) if found.n else "",
        flips=sort_flips(found.flips),
        interval=format_difference_interval,
    )
    write_bytes(out, html.encode("utf-8", "replace"))
