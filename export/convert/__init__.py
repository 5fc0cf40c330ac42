"""A network made ready for an engine that reads no ONNX."""
