"""The converter from ONNX to ncnn's layers: pnnx, which comes as a program.

Its Python module wants torch, which the program does not: so it is found, and not imported.
"""

import importlib.metadata
import importlib.util
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.base.errors import InputError, ModelRefusedError

LIMIT_S = 600


@dataclass(frozen=True)
class Converted:
    """What pnnx made of a network.

    Attributes:
        param: The layers, in ncnn's text format.
        weights: Their weights in a row.
        made_with: pnnx and its version.
    """

    param: str
    weights: bytes
    made_with: str


def convert(model: bytes, shape: Sequence[int], where: Path) -> Converted:
    """Convert a network.

    Args:
        model: A serialised ONNX network.
        shape: Of its input.
        where: What to call it in messages.

    Raises:
        InputError: pnnx is not installed.
        ModelRefusedError: It cannot convert the network.
    """
    program = _program()
    with tempfile.TemporaryDirectory(prefix="pi-export-") as name:
        folder = Path(name)
        (folder / "network.onnx").write_bytes(model)
        lengths = ",".join(str(length) for length in shape)
        # fp16=0: it would round the weights to half precision.
        command = [str(program), "network.onnx", f"inputshape=[{lengths}]f32", "fp16=0"]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, check=False, timeout=LIMIT_S
            )
        except subprocess.TimeoutExpired as error:
            raise ModelRefusedError(f"{where}: pnnx did not convert it in {LIMIT_S} s") from error
        param, weights = folder / "network.ncnn.param", folder / "network.ncnn.bin"
        if done.returncode != 0 or not param.is_file() or not weights.is_file():
            said = (done.stderr.strip() or done.stdout.strip() or f"code {done.returncode}").splitlines()[-1]
            raise ModelRefusedError(f"{where}: pnnx cannot convert it: {said[:200]}")
        return Converted(_plain(param.read_text()), weights.read_bytes(), f"pnnx {_version()}")


def _plain(param: str) -> str:
    """The layers without the spaces that line them up."""
    return re.sub(r" +", " ", param)


def _program() -> Path:
    # Not find_spec("pnnx.pnnx"): that would import the module, which wants torch.
    found = importlib.util.find_spec("pnnx")
    program = Path(found.origin).parent / "pnnx" if found and found.origin else None
    if program is None or not program.is_file():
        raise InputError(
            "the converter for ncnn is not installed: pip install ncnn, and pip install --no-deps pnnx"
        )
    return program


def _version() -> str:
    return importlib.metadata.version("pnnx")
