"""Encoders that turn pixels into vectors: HOG, ONNX, SigLIP, or an app's own."""
