"""`vibe-photos export`: a folder of ONNX models to ship with an app."""
