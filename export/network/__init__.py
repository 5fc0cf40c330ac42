"""An ONNX graph: read, understood as layers, rewritten."""
