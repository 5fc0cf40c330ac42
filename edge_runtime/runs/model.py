"""From the settings to the network that a run uses."""

from collections.abc import Callable

from edge_runtime.base.errors import InputError
from edge_runtime.base.locations import DEMO
from edge_runtime.bench.choose_engine import fastest_engine
from edge_runtime.inference import Model
from edge_runtime.model import demo
from edge_runtime.settings.arguments import AUTO, class_list
from edge_runtime.settings.config import Config


def open_model(config: Config, say: Callable[[str], None]) -> Model:
    """Load the network that the settings name, or the demo's own for the demo.

    Args:
        config: The settings.
        say: Told which engine was taken and why, where that was to be found out.

    Raises:
        InputError: None is named, a file is missing or malformed, the card does not fit the network, or what
            is asked for of its results does not fit the card.
        ModelRefusedError: The engine refuses the network, or it takes no image, or gives no numbers.
    """
    path = config.model.path
    if path is None and config.source.location != DEMO:
        raise InputError("no network to run: give one with --model (only '--source demo' brings its own)")
    section = config.model
    classes = None if section.classes is None else class_list(section.classes)
    path, engine = path or demo.path(), section.engine
    if engine == AUTO:
        choice = fastest_engine(path, section.input, section.threads)
        engine = choice.engine
        say(f"engine {engine}: {choice.why}")
    return Model.open(
        path, section.input, section.threads, engine=engine, score=section.score, classes=classes
    )
