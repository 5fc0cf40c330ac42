import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.base.errors import InputError, ModelRefusedError
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
    decoder = {"kind": "yolov8", "score_threshold": 25}
    model = Model.open(make_network(card={"task": "detect", "decoder": decoder}))
    assert model.network.run(model.preprocess(PICTURE))[0].shape == (1, 3)
    with pytest.raises(InputError, match="decoder"):
        model.prepare()


def test_trying_a_model_out_shows_what_its_first_frame_would_fail_by(make_network: MakeNetwork) -> None:
    Model.open(make_network((0.1, 0.7, 0.2))).try_out()
    with pytest.raises(InputError, match="names 3 classes but the network gives 2 scores"):
        Model.open(make_network((0.1, 0.9))).try_out()
    head = {"task": "detect", "decoder": {"kind": "yolov8"}}
    with pytest.raises(ModelRefusedError, match="not those of its card's decoder"):
        Model.open(make_network(card=head)).try_out()


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
    assert Model.open(make_network(card={"labels": names}), classes=["b", "2"]).class_names == {"b", "c"}


def test_only_the_classes_and_scores_asked_for_are_given(make_network: MakeNetwork) -> None:
    path = make_network((0.1, 0.7, 0.2))

    def labels(**asked: object) -> list[str]:
        found = Model.open(path, **asked)(PICTURE)  # type: ignore[arg-type]
        assert found.valid
        return [prediction.label for prediction in found.predictions()]

    triangle = "Dreieck ä"
    assert labels() == ["square", triangle, "circle"]
    assert labels(score=0.15) == ["square", triangle]
    assert labels(classes=["circle", triangle]) == [triangle, "circle"]
    assert labels(classes=["2"]) == [triangle]
    assert labels(score=0.5, classes=["circle"]) == []
    assert Model.open(path, score=0.9)(PICTURE).words() == "nothing found"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"classes": ["sqare"]}, "no class 'sqare' in the model card; did you mean 'square'?"),
        ({"classes": ["3"]}, "no class '3' in the model card; it names 3, such as 'circle', 'square'"),
        ({"score": 1.5}, "score must be from 0 to 1, not 1.5"),
        ({"score": float("nan")}, "score must be from 0 to 1"),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    asked: dict[str, object], says: str, make_network: MakeNetwork
) -> None:
    with pytest.raises(InputError) as caught:
        Model.open(make_network(), **asked)  # type: ignore[arg-type]
    assert says in str(caught.value)


@pytest.mark.parametrize("asked", [{"score": 0.5}, {"classes": ["0"]}])
def test_nothing_can_be_chosen_among_outputs_that_are_not_decoded(
    asked: dict[str, object], make_network: MakeNetwork
) -> None:
    with pytest.raises(InputError, match="task is 'raw'"):
        Model.open(make_network(card={"task": "raw"}), **asked)  # type: ignore[arg-type]


def test_a_class_beyond_those_of_the_network_is_refused_at_the_first_frame(make_network: MakeNetwork) -> None:
    model = Model.open(make_network(card={}), classes=["3"])
    with pytest.raises(InputError, match="there is no class 3: the network has 3, from 0 on"):
        model(PICTURE)
