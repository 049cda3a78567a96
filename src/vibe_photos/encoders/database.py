"""The embedder `database`: vectors that an app already has, as `database_engine` reads them.

DVC cannot see the app's database, so `embedder.revision` stands for its content.
"""

from vibe_photos.encoders.recipe import Recipe
from vibe_photos.errors import ConfigurationError
from vibe_photos.settings import Embedder


class DatabaseRecipe(Recipe, frozen=True, kw_only=True, tag="database"):
    """Everything that decides the vectors, as far as a configuration can say it."""

    version: int = 1
    source_model: str
    dim: int
    revision: int


def read_database_recipe(embedder: Embedder) -> DatabaseRecipe:
    """Return the recipe that a configuration means; the database itself is not asked.

    Raises:
        ConfigurationError: a key that this kind of embedder needs is not set.
    """
    if embedder.source_model is None or embedder.dim is None or embedder.revision is None:
        raise ConfigurationError(
            "embedder.source_model, embedder.dim, embedder.revision: kind database needs all three "
            "(see conf/embedder/database.yaml)"
        )
    return DatabaseRecipe(source_model=embedder.source_model, dim=embedder.dim, revision=embedder.revision)
