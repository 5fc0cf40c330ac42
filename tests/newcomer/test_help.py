"""``--help`` of every command: it fits a screen, has an example that is right, and leaves nothing unsaid."""

import argparse
import shlex
from pathlib import Path

import pytest

from tests.newcomer.parsers import every_parser, parser_of

LINES, COLUMNS = 48, 80
NAMES = tuple(every_parser())


@pytest.fixture(autouse=True)
def screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))


@pytest.mark.parametrize("name", NAMES)
def test_it_fits_a_screen(name: str) -> None:
    lines = every_parser()[name].format_help().splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    assert lines[0].startswith(f"usage: {name} [OPTIONS]")


@pytest.mark.parametrize("name", NAMES)
def test_its_examples_can_be_typed(name: str) -> None:
    _, _, text = every_parser()[name].format_help().partition("example:\n")
    examples = [line.strip() for line in text.splitlines()]
    assert examples
    for example in examples:
        program, *arguments = shlex.split(example)
        assert example.startswith(name)
        assert parser_of(program).parse_args(arguments).handler


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_explained(name: str) -> None:
    for action in every_parser()[name]._actions:  # noqa: SLF001  argparse has no other list
        if not isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            assert action.help, f"{name} {action.option_strings}"


@pytest.mark.parametrize("name", ["pi-infer", "pi-infer service", "pi-infer config"])
def test_the_rest_of_the_options_is_a_flag_away(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *command = name.split()
    first = every_parser()[name].format_help()
    with pytest.raises(SystemExit) as ending:
        parser_of(program).parse_args([*command, "--help-all"])
    assert ending.value.code == 0
    whole = capsys.readouterr().out
    for option in ("--mqtt-topic", "--web-fps", "--camera-size", "--[no-]hflip"):
        assert option in whole
        assert option not in first
    for line in first.splitlines():
        assert line in whole or "--help-all" in line


@pytest.mark.parametrize("name", NAMES)
def test_a_mistyped_option_proposes_the_right_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *command = name.split()
    parser = every_parser()[name]
    for option in [each for each in parser._option_string_actions if len(each) > 5]:  # noqa: SLF001
        typed = option[:4] + option[5:]
        with pytest.raises(SystemExit) as ending:
            parser_of(program).parse_args([*command, typed])
        assert ending.value.code == 2
        assert f"unknown option {typed}; did you mean {option}?" in capsys.readouterr().err


def test_the_documents_say_how_to_see_all(pytestconfig: pytest.Config) -> None:
    assert "--help-all" in (Path(pytestconfig.rootpath) / "docs/pi.md").read_text(encoding="utf-8")
