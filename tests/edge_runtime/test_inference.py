import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.base.errors import InputError
from edge_runtime.inference import Model
from edge_runtime.model import demo
from edge_runtime.model.card import InputSpec, ModelCard

MakeNetwork = Callable[..., Path]
PICTURE = np.full((40, 50, 3), 128, np.uint8)


def test_a_model_called_on_a_picture_says_what_is_in_it(make_network: MakeNetwork) -> None:
    result = Model.open(make_network((0.1, 0.7, 0.2)))(PICTURE)
    assert result.words() == "square 70.0 %"
    best = result.best()
    assert best is not None
    assert (best.index, best.label, best.score, best.box) == (1, "square", pytest.approx(0.7), None)


def test_the_steps_of_a_call_give_what_the_call_gives() -> None:
    model = Model.open(demo.path(), threads=1)
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    stepwise = model.read(model.network.run(model.preprocess(image)), image)
    assert stepwise.to_document() == model(image).to_document()


def test_another_card_may_be_given_as_a_file_or_as_a_value(make_network: MakeNetwork, tmp_path: Path) -> None:
    network = make_network()
    file = tmp_path / "other.json"
    file.write_text(json.dumps({"input": {"size": [24, 32]}, "task": "raw"}))
    for card in (file, str(file), ModelCard(InputSpec(size=(24, 32)), task="raw")):
        document = Model.open(network, card)(PICTURE).to_document()
        assert document["outputs"][0]["values"] == pytest.approx([0.1, 0.7, 0.2])


def test_a_card_that_does_not_fit_is_refused(make_network: MakeNetwork) -> None:
    with pytest.raises(InputError, match="the model card does not fit"):
        Model.open(make_network(), ModelCard(InputSpec(size=(25, 32))))


def test_a_decoder_that_is_malformed_stops_only_who_needs_it(make_network: MakeNetwork) -> None:
    model = Model.open(make_network(card={"task": "detect"}))
    assert model.network.run(model.preprocess(PICTURE))[0].shape == (1, 3)
    with pytest.raises(InputError, match="decoder"):
        model.prepare()


@pytest.mark.parametrize(
    "array",
    [np.zeros((40, 50), np.uint8), np.zeros((40, 50, 4), np.uint8), np.zeros((40, 50, 3)), PICTURE[:0]],
)
def test_what_is_no_picture_is_refused_in_one_line(make_network: MakeNetwork, array: object) -> None:
    with pytest.raises(InputError, match=r"no picture: an array of .*; give one of uint8 and shape"):
        Model.open(make_network())(array)  # type: ignore[arg-type]


def test_the_classes_that_results_can_name(make_network: MakeNetwork) -> None:
    names = ["a", "b", "c"]
    assert Model.open(make_network(card={"labels": names})).class_names == set(names)
    assert Model.open(make_network(card={"labels": names, "task": "raw"})).class_names == set()
    assert Model.open(make_network(card={})).class_names == set()
