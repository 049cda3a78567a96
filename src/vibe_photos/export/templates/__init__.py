"""The texts that an export writes, as Jinja templates."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(name: str, **values: object) -> str:
    """Return a template of this folder with its values filled in."""
    environment = Environment(
        loader=PackageLoader("vibe_photos.export"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(name).render(values)
