"""The pictures of every format, for this room."""

from tests.unit.scan.conftest import jpeg, pictures
