"""Which layers to leave in float: the few that int8 costs most, where they take little of the work."""

from collections.abc import Callable, Collection, Mapping, Sequence

from export.progress import Progress, silent

SMALL_ERROR = 0.01  # of the variance: no class changes for it, and floats between cost a third of the speed
MOST_LAYERS = 8
MOST_WORK = 0.1  # of all multiply-adds
LEAST_GAIN = (
    0.25  # of the error, for each layer left in float; on vgg19 two at 0.15 cost a tenth of the speed
)
TASK = "trying layers in float"

#: The error of the outputs with some layers left in float.
ErrorWith = Callable[[Collection[str]], float]


def layers_in_float(
    layers: Sequence[str], work: Mapping[str, int], error_with: ErrorWith, progress: Progress = silent
) -> tuple[str, ...]:
    """Choose the layers to leave in float.

    Each layer is tried alone, in the network that is in int8 otherwise; then the most promising are taken one
    after another, as long as each is worth it.

    Args:
        layers: Outputs of the layers, in order of execution.
        work: Multiply-adds of each.
        error_with: Error of the outputs with some layers in float.
        progress: Told after each layer.

    Returns:
        Their outputs; none where int8 costs nothing that one would see.
    """
    error = error_with(())
    if error <= SMALL_ERROR:
        return ()
    most = MOST_WORK * sum(work.get(layer, 0) for layer in layers)
    errors = {}
    for done, layer in enumerate(layers, start=1):
        if work.get(layer, 0) <= most:
            errors[layer] = error_with([layer])
        progress(TASK, done, len(layers))
    kept: list[str] = []
    for layer in sorted(errors, key=lambda each: errors[each])[:MOST_LAYERS]:
        if error <= SMALL_ERROR:
            break
        if sum(work.get(each, 0) for each in (*kept, layer)) > most:
            continue
        found = error_with([*kept, layer]) if kept else errors[layer]
        if found <= (1 - LEAST_GAIN) * error:
            kept.append(layer)
            error = found
    return tuple(layer for layer in layers if layer in kept)
