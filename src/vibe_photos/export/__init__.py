"""`vibe-photos export`: a folder of ONNX models that an app ships."""
