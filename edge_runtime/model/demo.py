"""Where the demo's network lies: it ships with this package."""

from pathlib import Path

from edge_runtime.base.errors import InputError


def path() -> Path:
    """Path of the demo's network. Raises ``InputError`` if this installation lacks it."""
    network = Path(__file__).with_name("demo.onnx")
    if not network.is_file():
        raise InputError(f"the demo's network {network} is missing: install pi-infer again, or give --model")
    return network
