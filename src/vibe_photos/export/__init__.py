"""`vibe-photos export`: labels as a table, a folder of ONNX models to ship with an app, plain heads."""
