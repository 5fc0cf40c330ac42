"""The moments of some of the images: the same wherever and in whatever company they are computed.

A shard is any part of the images. Moments of shards, merged in the order of their images, are those of all
images; the local run is the case of one shard.
"""

from collections.abc import Callable, Iterable, Sequence

from export.calibrate.calibration_set import is_held_out
from export.calibrate.layer_moments import LayerMoments
from export.calibrate.patches import Samples
from export.calibrate.plan import SamplingPlan, Shortcuts
from export.calibrate.stream import Activations
from export.calibrate.weighted_layer import WeightedLayer

#: The response (n, d) wanted of a layer in the image of a global index, given its patches (n, c·kh·kw) and
#: what its shortcut adds.
Responses = Callable[[WeightedLayer, int, Samples, Shortcuts], Samples]


def moments_of_shard(
    plan: SamplingPlan,
    layers: Sequence[WeightedLayer],
    images: Iterable[tuple[int, Activations]],
    responses: Responses,
    *,
    with_patches: bool,
) -> dict[str, LayerMoments]:
    """Sample some layers in some images.

    Args:
        plan: Where to sample.
        layers: The layers.
        images: The global index of each image, and the tensors that ``plan.tensors`` names for the layers.
        responses: Tells what is wanted of them.
        with_patches: Collect the moments of the patches too, not only those of the responses.

    Returns:
        Moments of (patches, wanted responses) of each layer by its output.
    """
    collected = {own.layer.output: LayerMoments(own, with_patches=with_patches) for own in layers}
    for index, activations in images:
        for own in layers:
            patches = plan.patches(own.layer, index, activations)
            wanted = responses(own, index, patches, plan.shortcuts(own.layer, index, activations))
            collected[own.layer.output].add(patches, wanted, held_out=is_held_out(index))
    return collected
