from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.base.errors import InputError
from edge_runtime.model import demo
from edge_runtime.model.engines.onnxruntime import OnnxruntimeNetwork
from edge_runtime.runs.model import open_model
from edge_runtime.settings.config import Config, ModelConfig, SourceConfig

MakeNetwork = Callable[..., Path]


def test_the_demo_brings_its_own_network() -> None:
    assert open_model(Config(source=SourceConfig(location="demo")), print).network.path == demo.path()


def test_any_other_source_needs_one_to_be_named() -> None:
    with pytest.raises(InputError, match="--model"):
        open_model(Config(source=SourceConfig(location="pictures")), print)


def test_the_settings_name_the_network_its_card_and_its_threads(
    make_network: MakeNetwork, tmp_path: Path
) -> None:
    card = tmp_path / "other.json"
    card.write_text('{"input": {"size": [24, 32]}, "task": "raw"}')
    path = make_network()
    model = open_model(Config(model=ModelConfig(path=path, input=card, threads=1)), print)
    assert (model.network.path, model.card.task) == (path, "raw")
    assert isinstance(model.network, OnnxruntimeNetwork)
    assert model.network.session.get_session_options().intra_op_num_threads == 1


def test_the_settings_choose_among_its_results(make_network: MakeNetwork) -> None:
    section = ModelConfig(path=make_network((0.1, 0.7, 0.2)), score=0.15, classes="circle, 2")
    found = open_model(Config(model=section), print)(np.zeros((24, 32, 3), np.uint8))
    assert [(each.index, each.score) for each in found.predictions()] == [(2, pytest.approx(0.2))]
