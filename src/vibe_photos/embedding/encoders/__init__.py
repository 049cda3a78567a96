"""What turns a photo into a vector: HOG, SigLIP, ONNX, or vectors of an application's own database."""
