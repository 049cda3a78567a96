"""The tiny checkpoint of a SigLIP, for this room."""

from tests.unit.drawn_library import siglip, siglip_folder
