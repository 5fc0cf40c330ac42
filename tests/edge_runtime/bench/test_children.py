"""The child processes of a benchmark, and what passes between them and their parent."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.base.errors import CameraError, InputError, ModelRefusedError, PiInferError
from edge_runtime.bench.children import ask
from edge_runtime.bench.messages import FramesJob, Job, Round, reply

JOB = Job(model="m.onnx", card=None, frames="f.npz", threads=None, seconds=0.5)

Child = Callable[[str], str]


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Child:
    """Write a module that a child can run, and return its name."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(code: str) -> str:
        (tmp_path / "child_of_a_test.py").write_text(code)
        return "child_of_a_test"

    return write


def test_a_child_gets_its_job_and_its_answer_comes_back_with_what_it_said(child: Child) -> None:
    code = (
        "import sys; from edge_runtime.bench.messages import Job, reply\n"
        "print('one', 'two', sep='\\n', file=sys.stderr)\n"
        "job = Job.from_json(sys.stdin.read())\n"
        "sys.exit(reply(lambda: {'frames': job.frames, 'seconds': job.seconds}))"
    )
    answer = ask(child(code), JOB, "m.onnx")
    assert answer.fields == {"frames": "f.npz", "seconds": 0.5}
    assert answer.said == ("one", "two")


@pytest.mark.parametrize("kind", [InputError, ModelRefusedError, CameraError])
def test_an_error_for_users_arrives_as_the_kind_it_was(child: Child, kind: type[PiInferError]) -> None:
    code = (
        "import sys; from edge_runtime.base import errors; from edge_runtime.bench.messages import reply\n"
        f"def fail(): raise errors.{kind.__name__}('it is so')\n"
        "sys.exit(reply(fail))"
    )
    with pytest.raises(kind, match=r"^it is so$"):
        ask(child(code), JOB, "m.onnx")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os.kill(os.getpid(), 9)", "was killed by SIGKILL (is there enough memory?)"),
        ("import os; os.kill(os.getpid(), 11)", "was killed by SIGSEGV"),
        ("raise RuntimeError('no idea')", "failed: RuntimeError: no idea"),
        ("import sys; sys.exit(7)", "failed: code 7"),
        ("print('no JSON')", "failed: code 0"),
    ],
)
def test_a_child_that_dies_is_named_by_what_it_was_busy_with(child: Child, code: str, message: str) -> None:
    with pytest.raises(PiInferError) as caught:
        ask(child(code), JOB, "m.onnx")
    assert str(caught.value) == f"m.onnx: its process {message}"
    assert caught.value.exit_code == 1


def test_messages_arrive_as_they_were_sent() -> None:
    frames = FramesJob(source="demo", model="m.onnx", card="c.json", target="f.npz")
    assert Job.from_json(JOB.to_json()) == JOB
    assert FramesJob.from_json(frames.to_json()) == frames
    fields = {
        "latency_ms": [1.5, 2.5], "seconds": 0.0025, "load_ms": 3.0, "peak_rss_mib": 90.0,
        "runtime_rss_mib": 50.0, "others_processors": None, "steal_processors": 0.0,
        "involuntary_switches": 2, "threads": 4, "versions": {"numpy": "2.0"},
    }  # fmt: skip
    assert Round.from_fields(fields).latency_ms == (1.5, 2.5)
    assert json.loads(json.dumps(Round.from_fields(fields).__dict__)) == fields


def test_a_reply_is_one_json_object_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert reply(lambda: {"a": 1}) == 0
    assert json.loads(capsys.readouterr().out) == {"a": 1}
