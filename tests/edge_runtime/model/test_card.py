"""Model cards as people write them: what is read, and what a wrong one is told."""

import json
from pathlib import Path

import pytest

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import ModelCard, parse_card, read_card_file

INPUT = {"size": [320, 320]}


def card(**fields: object) -> ModelCard:
    return parse_card(json.dumps({"input": INPUT, **fields}), "card.json")


def refusal(**fields: object) -> str:
    with pytest.raises(InputError) as caught:
        card(**fields)
    message = str(caught.value)
    assert message.startswith("card.json: ")
    assert "\n" not in message
    return message.removeprefix("card.json: ")


def write(folder: Path, labels: str) -> Path:
    path = folder / "card.json"
    path.write_text(json.dumps({"input": INPUT, "labels": labels}))
    return path


@pytest.mark.parametrize("name", ["coco80", "coco", "COCO_80", "Coco-80"])
def test_an_unknown_set_of_labels_is_named_with_the_nearest(name: str) -> None:
    assert f"labels is {name!r}" in refusal(labels=name)
    assert "did you mean 'COCO-80'?" in refusal(labels=name)


def test_labels_are_read_from_a_file_beside_the_card(tmp_path: Path) -> None:
    path = write(tmp_path, "classes.txt")
    (tmp_path / "classes.txt").write_text("\ufeffcat\r\ntraffic light\r\n\r\n", encoding="utf-8")
    assert read_card_file(path).labels == {0: "cat", 1: "traffic light"}
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "all.names").write_text("a\nb\nc")
    assert read_card_file(write(tmp_path, "names/all.names")).labels == {0: "a", 1: "b", 2: "c"}


@pytest.mark.parametrize(
    ("text", "says"), [("cat\n\ndog\n", "line 2 of"), ("", "line 1 of"), ("\n\n", "line 1 of")]
)
def test_a_file_of_labels_with_a_gap_is_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(InputError, match=says):
        read_card_file(write(tmp_path, "classes.txt"))


def test_a_file_that_is_missing_is_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat")
    with pytest.raises(InputError, match=r"labels is 'clases.txt'.*did you mean 'classes.txt'\?"):
        read_card_file(write(tmp_path, "clases.txt"))


def test_no_file_outside_the_cards_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "in").mkdir()
    for name in ("../secret.txt", str(tmp_path / "secret.txt")):
        with pytest.raises(InputError, match="no file beside the card") as caught:
            read_card_file(write(tmp_path / "in", name))
        assert "secret\n" not in str(caught.value)


def test_a_card_inside_a_network_names_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "classes.txt").write_text("cat")
    monkeypatch.chdir(tmp_path)
    assert "no file beside the card" in refusal(labels="classes.txt")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"lables": ["a"]}, "unknown key 'lables'; did you mean 'labels'?"),
        ({"classes": ["a"]}, "unknown key 'classes'; did you mean 'labels'?"),
        ({"decode": {"kind": "ssd"}}, "unknown key 'decode'; did you mean 'decoder'?"),
        ({"tasks": "detect"}, "unknown key 'tasks'; did you mean 'task'?"),
        ({"resize": "letterbox"}, "resize belongs in input"),
        ({"score_threshold": 0.5}, "score_threshold belongs in decoder"),
        ({"input": {**INPUT, "color": "BGR"}}, "unknown key input.color; did you mean 'colour'?"),
        ({"decoder": {"kind": "yolov8"}}, 'task is \'classify\': write "task": "detect"'),
        ({"task": "raw", "decoder": {"kind": "yolov8"}}, "task is 'raw'"),
        ({"task": "detect"}, "decoder.kind is missing; detection needs one of ssd"),
        ({"task": "detect", "decoder": "yolov8"}, "decoder.kind is 'yolov8'"),
        ({"task": "detect", "decoder": {"kind": "yolo8"}}, "did you mean 'yolov8'?"),
        ({"task": "detect", "decoder": {"kind": "yolov8", "scores": 1}}, "did you mean 'score_threshold'?"),
        ({"task": "detect", "decoder": {"kind": "yolov8", "variances": [1]}}, "key decoder.variances"),
        ({"labels": "{" * 99 + "}"}, "Expecting"),
    ],
)
def test_a_wrong_key_is_named_with_the_right_one(fields: dict[str, object], says: str) -> None:
    assert says in refusal(**fields)


def test_keys_of_the_owners_own_are_let_be() -> None:
    mine = {"baseline": "mAP 0.3", "source": "somewhere", "note": "x", "tags": [1], "name": "mine", "date": 1}
    assert card(**mine, labels=["a"]) == card(labels=["a"])
    # Who gives the labels in our words may keep another tool's beside them.
    assert card(names={"0": "b"}, labels=["a"]) == card(labels=["a"])
