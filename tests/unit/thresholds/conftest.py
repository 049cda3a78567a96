"""The library whose figures can be worked out by hand, for this room."""

from tests.unit.hand_made_library import evaluate, library, make_truth, write_roles, write_table
