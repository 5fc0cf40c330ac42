"""Every command that the README and docs/ show is run, on stand-ins for the networks and pictures they name.

What cannot be run here is named in ``NOT_RUN`` and ``FOREIGN``, with what is looked at instead.
"""

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.newcomer import stand_ins
from tests.newcomer.documents import DOCUMENTS, PROJECT, Command, blocks, commands, spans
from tests.newcomer.parsers import PROGRAMS, commands_of, options_of, parser_of

#: Ours, but for another machine: read by the program's own parser instead.
NOT_RUN = {
    "--host pi": "a Raspberry Pi that answers SSH",
    "--camera": "a camera",
    "recover": "torch",
}
#: Not ours to run in a test, for they install things or take hours: it is seen that they exist.
FOREIGN: dict[str, Callable[[list[str]], list[str]]] = {
    "make": lambda words: ["make", "-n", *words[1:]],
    "deploy/install.sh": lambda words: ["grep", "-qe", words[-1] if len(words) > 1 else "", words[0]],
    "tests/peers/run": lambda words: ["bash", "-n", words[0]],
    "systemctl": lambda words: ["test", "-f", f"systemd/{words[-1]}.service"],
}
#: Added to what is shown: seconds become less than one.
SHORTER = {"bench": ("--seconds", "0.05", "--rounds", "1")}
#: What else a command may end with, by what the machine is like: a problem found, a promised time not kept.
MACHINE_MAY = {"doctor": 1, "--cost": 6}
SERVICE = ("pi-infer", "service")


def options_of_benchmarks() -> set[str]:
    """Those of the programs that measure by hand, as their sources declare them."""
    sources = [
        path for folder in ("benchmarks", "peers") for path in (PROJECT / "tests" / folder).glob("*.py")
    ]
    return {option for path in sources for option in re.findall(r'"(--[a-z-]+)"', path.read_text())}


def reason_not_run(command: Command) -> str | None:
    return next((why for mark, why in NOT_RUN.items() if mark in command.line), None)


@pytest.fixture
def document(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A document, in a folder with what it takes for granted: pictures, settings, networks made elsewhere."""
    path: Path = request.param
    stand_ins.draw_pictures(tmp_path)
    write_files(path, tmp_path)
    text = "\n".join(command.line for command in commands(path))
    made = set(re.findall(r"-o (\S+\.onnx)", text))
    for name in set(re.findall(r"\b[\w-]+\.onnx", text)) - made:
        write_network(tmp_path / name, text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("export.reduction.examine.SECONDS", 0.05)
    return path


def write_network(path: Path, text: str) -> None:
    """A stand-in for a network, with what other documents than the one of these commands did to it."""
    yolo = path.name.startswith("yolo")
    (stand_ins.write_yolo if yolo else stand_ins.write_signs)(path)
    card = [] if yolo else ["--input", str(path.with_name("signs-card.json"))]
    if f"card {path.name}" not in text:
        assert run(["pi-export", "card", str(path), *card])[0] == 0
    if "onnxruntime,ncnn" in text:
        assert run(["pi-export", "convert", str(path)])[0] == 0


def write_files(document: Path, folder: Path) -> None:
    """The model card and the settings that documents show, under the names they use."""
    card = next(text for text in blocks(PROJECT / "docs/card.md", "json") if '"task": "classify"' in text)
    (folder / "signs-card.json").write_text(card)
    for settings in blocks(document, "toml"):
        (folder / "pi-infer.toml").write_text(settings)
        (folder / "bad.toml").write_text('[source]\nlocaton = "images/test"\n')


def run(words: list[str]) -> tuple[int, str, str]:
    """Run one of our programs here: its exit code, and what it wrote to standard output and error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = PROGRAMS[words[0]].main(words[1:])
        except SystemExit as ending:
            code = int(ending.code or 0)
    return code, out.getvalue(), err.getvalue()


def assert_runs_as_shown(command: Command) -> None:
    words = [*command.words, *SHORTER.get(command.words[1], ())]
    code, out, err = run(words)
    told = re.search(r"^(pi-\w+: error: .*?)[\d;]", command.output, re.MULTILINE)
    if told:  # it is shown how it fails
        assert (code in (2, 6), told[1] in err) == (True, True), f"{command.line}\n{err}"
    else:
        allowed = (0, *(code for word, code in MACHINE_MAY.items() if word in words))
        assert code in allowed, f"{command.line}\n{err}"
        if code == MACHINE_MAY["--cost"]:  # too busy a machine: later commands go on with the best found
            output = Path(words[words.index("-o") + 1])
            output.with_suffix(f".best{output.suffix}").rename(output)
    if command.output:
        assert out or err, f"{command.line} printed nothing"


def assert_serves_until_told_to_end(command: Command) -> None:
    program = [sys.executable, "-m", "edge_runtime.cli", *command.words[1:]]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as service:
        assert service.stdout is not None
        first = service.stdout.readline()
        assert first.startswith("ready with "), first
        service.send_signal(signal.SIGTERM)
        assert service.stdout.readlines()[-1] == command.output.splitlines(keepends=True)[-1]
    assert service.returncode == 0


def assert_exists(command: Command) -> None:
    words = [word for word in command.words if word != "sudo"]
    check = FOREIGN[words[0]](words)
    if shutil.which(check[0]) is None:
        pytest.skip(f"{check[0]} is not installed")
    done = subprocess.run(check, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command.line}\n{done.stderr}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name, indirect=True)
def test_every_command_runs(document: Path) -> None:
    for command in commands(document):
        if command.program not in PROGRAMS:
            assert_exists(command)
        elif reason_not_run(command):
            parser_of(command.program).parse_args(command.words[1:])
        elif tuple(command.words[:2]) == SERVICE:
            assert_serves_until_told_to_end(command)
        else:
            assert_runs_as_shown(command)


def test_what_is_not_run_is_there() -> None:
    lines = [command.line for document in DOCUMENTS for command in commands(document)]
    assert [mark for mark in NOT_RUN if not any(mark in line for line in lines)] == []
    assert len(lines) >= 46  # the blocks are found at all


def known_options() -> set[str]:
    """Every option of everything that the documents tell of."""
    parsers = [parser_of(program) for program in PROGRAMS]
    parsers += [each for parser in parsers for each in commands_of(parser).values()]
    installer = set(re.findall(r"--[a-z-]+", (PROJECT / "deploy/install.sh").read_text()))
    return installer.union(options_of_benchmarks(), *map(options_of, parsers))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_option_and_command_that_the_text_names_exists(path: Path) -> None:
    for span in spans(path):
        program, *rest = span.split()
        known = known_options()
        if program in PROGRAMS and rest and not rest[0].startswith("-"):
            assert rest[0] in commands_of(parser_of(program)), f"{path.name} names the command {span}"
            known = options_of(commands_of(parser_of(program))[rest[0]])
        named = [word for word in (program, *rest) if re.fullmatch(r"--[a-z][a-z-]*", word)]
        assert set(named) <= known, f"{path.name} names the options of {span}"
