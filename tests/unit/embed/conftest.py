"""The drawn photos and tiny checkpoints, for this room."""

from tests.unit.drawn_library import embed, hog, manifest, onnx, root, siglip, siglip_folder
