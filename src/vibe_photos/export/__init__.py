"""What an app ships: encoder and heads as ONNX, labels, thresholds and rules as JSON, a model card."""
