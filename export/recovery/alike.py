"""Whether two networks may be teacher and student, and whether torch runs them as onnxruntime does."""

import numpy as np
import onnx
import torch
from torch import Tensor

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.inference import Model
from edge_runtime.model.engines.onnxruntime import open_bytes
from edge_runtime.model.golden import golden_frame
from export.recovery.network import TorchNetwork

LARGEST_DIFFERENCE = 1e-3  # of an output's largest value: sums in another order


def require_same_outputs(original: Model, reduced: Model) -> None:
    """Refuse a pair whose outputs are not of the same names and shapes.

    Raises:
        InputError: They are not, so the one was not made of the other.
        ModelRefusedError: One of them cannot run.
    """
    frame = golden_frame(0, original.card.input.size)
    shapes = [
        [
            f"{name!r} {output.shape}"
            for name, output in zip(
                model.network.output_names, model.network.run(model.preprocess(frame)), strict=True
            )
        ]
        for model in (original, reduced)
    ]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"{reduced.network.path} gives {', '.join(shapes[1])}, but {original.network.path} "
            f"{', '.join(shapes[0])}: give the network it was reduced from"
        )


def require_alike(network: TorchNetwork, model: onnx.ModelProto, images: Tensor) -> None:
    """Refuse a network that torch runs otherwise than onnxruntime, or in a batch otherwise than alone.

    Args:
        network: As torch runs it.
        model: The same for onnxruntime.
        images: A few inputs of it.

    Raises:
        ModelRefusedError: An output differs.
    """
    session = open_bytes(model.SerializeToString(), threads=1)
    alone = [session.run(None, {network.input_name: image[None]}) for image in images.numpy()]
    try:
        with torch.no_grad():
            together = network(images.to(network.device))
    except (RuntimeError, TypeError, ValueError, IndexError) as error:  # of torch, about shapes
        first = next(iter(str(error).splitlines()), "")
        raise ModelRefusedError(f"{network.where} cannot be trained in batches: {first}") from error
    for index, name in enumerate(network.output_names):
        found = together[name].cpu().numpy().astype(np.float64)
        expected = np.concatenate([outputs[index] for outputs in alone]).astype(np.float64)
        largest = np.abs(expected).max(initial=0.0)
        if (
            found.shape != expected.shape
            or np.abs(found - expected).max(initial=0.0) > LARGEST_DIFFERENCE * largest
        ):
            raise ModelRefusedError(
                f"{network.where} cannot be trained: in batches, torch does not compute its output {name!r}"
            )
