"""The workstation side: reads a trained ONNX CNN, reduces it, checks it and writes ONNX."""
