"""From the settings to the network that a run uses."""

from edge_runtime.base.errors import InputError
from edge_runtime.base.locations import DEMO
from edge_runtime.inference import Model
from edge_runtime.model import demo
from edge_runtime.settings.arguments import class_list
from edge_runtime.settings.config import Config


def open_model(config: Config) -> Model:
    """Load the network that the settings name, or the demo's own for the demo.

    Raises:
        InputError: None is named, a file is missing or malformed, the card does not fit the network, or what
            is asked for of its results does not fit the card.
        ModelRefusedError: onnxruntime refuses the network, or it takes no image, or gives no numbers.
    """
    path = config.model.path
    if path is None and config.source.location != DEMO:
        raise InputError("no network to run: give one with --model (only '--source demo' brings its own)")
    section = config.model
    classes = None if section.classes is None else class_list(section.classes)
    return Model.open(
        path or demo.path(), section.input, section.threads, score=section.score, classes=classes
    )
