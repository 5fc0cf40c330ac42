"""``pi-infer doctor``: every known pain of such machines as a check with a verdict and a remedy.

It must work where nothing else does, so it imports neither numpy, OpenCV nor onnxruntime: what only they can
tell is asked in child processes, which may crash or hang.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_runtime.base.errors import one_line
from edge_runtime.base.names import readable_document
from edge_runtime.doctor.checks import camera, network, software, system
from edge_runtime.doctor.checks.base import Finding, Verdict, problem
from edge_runtime.doctor.checks.children import ask
from edge_runtime.doctor.checks.machine import Machine, this_machine
from edge_runtime.machine.board import ROOT, Board, read_board
from edge_runtime.settings.arguments import ENGINES

QUESTIONS_LIMIT_S = 4.0  # whoever asks what is wrong shall have the answer within five seconds
PACKAGES_PARENT = str(Path(__file__).resolve().parents[2])
COLOURS = {Verdict.OK: "32", Verdict.WARNING: "33", Verdict.PROBLEM: "1;31", Verdict.NOT_APPLICABLE: "2"}


@dataclass(frozen=True)
class Check:
    """One pain to look for.

    Attributes:
        name: Its stable name, in ``--json`` too.
        examine: Looks at the facts of a machine.
    """

    name: str
    examine: Callable[[Machine], Finding]


# In the order in which a person would look: what is installed, the camera, the network, the system.
CHECKS = (
    Check("64-bit", software.word_size),
    Check("onnxruntime", software.onnxruntime),
    Check("telemetry", software.telemetry),
    Check("numpy", software.numpy_abi),
    Check("opencv", software.opencv),
    Check("environment", software.environment),
    Check("picamera2", software.picamera2),
    Check("libcamera", software.libcamera_versions),
    Check("camera", camera.camera),
    Check("camera-free", camera.camera_free),
    Check("camera-scaler", camera.scaler),
    Check("camera-memory", camera.contiguous_memory),
    Check("network", network.loads),
    Check("golden-output", network.golden),
    Check("static-shapes", network.static_shapes),
    Check("idle-threads", network.idle_threads),
    Check("row-padding", network.row_padding),
    Check("colour-order", network.colour_order),
    Check("frame-age", network.frame_age),
    Check("watchdog", system.watchdog),
    Check("memory-cgroup", system.memory_cgroup),
    Check("throttling", system.throttling),
    Check("sd-card", system.sd_card),
    Check("disk-space", system.disk_space),
)


@dataclass(frozen=True)
class Diagnosis:
    """The state of a machine, check by check.

    Attributes:
        board: The machine.
        findings: The answer of each check, by its name.
        seconds: How long it took.
    """

    board: Board
    findings: dict[str, Finding]
    seconds: float

    @property
    def exit_code(self) -> int:
        """The exit code of ``pi-infer doctor``: 1 if there is a problem, else 0; warnings do not count."""
        return int(any(finding.verdict is Verdict.PROBLEM for finding in self.findings.values()))

    def to_document(self) -> dict[str, Any]:
        """The diagnosis as ``--json`` writes it; keys may be added in later releases, but none changes.

        ``machine`` holds the facts of ``board.Board``; ``checks`` is a list of ``name``, ``verdict`` (``ok``,
        ``warning``, ``problem`` or ``not applicable``), ``detail`` and ``remedy``; ``problems`` and
        ``warnings`` are their numbers; ``seconds`` is how long it took.
        """
        counts = _counts(self.findings.values())
        return {
            "machine": asdict(self.board),
            "checks": [{"name": name, **asdict(finding)} for name, finding in self.findings.items()],
            "problems": counts[Verdict.PROBLEM],
            "warnings": counts[Verdict.WARNING],
            "seconds": round(self.seconds, 3),
        }


def diagnose(model: Path | None = None, *, engine: str = ENGINES[0]) -> Diagnosis:
    """Examine this machine, in less than five seconds.

    Args:
        model: The network to try; the demo's if None.
        engine: What shall run it.
    """
    start = time.monotonic()
    machine = this_machine(ask(questions(sys.executable, "vcgencmd", model, engine), QUESTIONS_LIMIT_S))
    return Diagnosis(read_board(ROOT), examine(machine), time.monotonic() - start)


def examine(machine: Machine) -> dict[str, Finding]:
    """Run every check on the facts of one machine: the finding of each, by its name."""
    return {check.name: _examine(check, machine) for check in CHECKS}


def questions(
    python: str, vcgencmd: str, model: Path | None = None, engine: str = ENGINES[0]
) -> dict[str, list[str]]:
    """What only a child process can find out without danger, as commands.

    Args:
        python: The interpreter whose packages are tried.
        vcgencmd: The Raspberry Pi's firmware tool.
        model: The network to try; the demo's if None.
        engine: What shall run it.
    """
    # At the end of the search, and "-P" at its front: the child shall import what this machine would.
    find_us = f"import sys; sys.path.append({PACKAGES_PARENT!r})\n"
    probe = f"{find_us}from edge_runtime.doctor.checks import network_probe\n"
    return {
        "onnxruntime": [python, "-P", "-c", "import onnxruntime; print(onnxruntime.__version__)"],
        "opencv": [python, "-P", "-c", "import cv2; print(cv2.__version__)"],
        "picamera2": [python, "-P", "-c", _TRY_PICAMERA2],
        "network": [python, "-P", "-c", f"{probe}network_probe.main({str(model or '')!r}, {engine!r})"],
        "vcgencmd": [vcgencmd, "get_throttled"],
    }


# To import picamera2 also loads libcamera's library, which fails where the two are of different releases.
_TRY_PICAMERA2 = """
from picamera2 import Picamera2
print("cancels" if hasattr(Picamera2, "cancel_all_and_flush") else "imports")
"""


def to_json(diagnosis: Diagnosis) -> str:
    """A diagnosis as indented JSON with a final newline."""
    return json.dumps(readable_document(diagnosis.to_document()), indent=2) + "\n"


def to_text(diagnosis: Diagnosis, *, colour: bool = False) -> str:
    """A diagnosis as aligned lines: the verdict first, a remedy indented beneath.

    Args:
        diagnosis: The state of the machine.
        colour: Whether the terminal understands ANSI colours.
    """
    board = diagnosis.board
    width = max(map(len, diagnosis.findings), default=0)
    lines = [
        one_line(f"{board.model}, {board.cores} x {board.cpu}, {board.memory_mib:.0f} MiB, {board.os}"),
        "",
    ]
    for name, finding in diagnosis.findings.items():
        verdict = f"{finding.verdict:<14}"
        painted = f"\033[{COLOURS[finding.verdict]}m{verdict}\033[0m" if colour else verdict
        lines.append(f"{painted}  {name:<{width}}  {finding.detail}")
        if finding.remedy:
            lines.append(f"{'':<14}  {'':<{width}}  -> {finding.remedy}")
    counts = _counts(diagnosis.findings.values())
    problems, warnings = (_counted(counts[kind], kind) for kind in (Verdict.PROBLEM, Verdict.WARNING))
    summary = f"{problems}, {warnings}, {counts[Verdict.OK]} ok"
    return "\n".join([*lines, "", f"{summary} ({diagnosis.seconds:.1f} s)"])


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'s' * (number != 1)}"


def _examine(check: Check, machine: Machine) -> Finding:
    try:
        finding = check.examine(machine)
    except Exception as error:  # noqa: BLE001  a broken machine must not break its doctor
        finding = problem(
            f"this check failed itself: {error!r}", "report it, with what 'pi-infer doctor' shows"
        )
    # Names of processes, devices and files come from the machine, and must not drive the terminal.
    return Finding(finding.verdict, one_line(finding.detail), one_line(finding.remedy))


def _counts(findings: Iterable[Finding]) -> Counter[Verdict]:
    return Counter(finding.verdict for finding in findings)
