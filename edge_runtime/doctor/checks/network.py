"""Checks of a network and of our own frame path, by the facts that ``network_probe`` prints in a child."""

import json
import math
from collections.abc import Mapping
from typing import Any

from edge_runtime.doctor.checks.base import Finding, not_applicable, ok, problem, warning
from edge_runtime.doctor.checks.children import Outcome
from edge_runtime.doctor.checks.machine import Machine
from edge_runtime.model.card import TOLERANCE

OLDEST_FRAME_MS = 100.0  # ten times what lies between the probe's frames: a queue grows beyond it
LARGEST_IDLE_CPU = 0.1  # of a processor; threads that spin use all of one, each
REINSTALL = "install pi-infer again with deploy/install.sh, which pins versions that were tested together"


def facts(machine: Machine) -> Mapping[str, Any]:
    """The facts about the network that the child process printed before it ended, however it ended."""
    answer = machine.answers.get("network")
    known: dict[str, Any] = {}
    for line in answer.output.splitlines() if answer else ():
        try:
            fact = json.loads(line)
        except (ValueError, RecursionError):
            continue
        known |= fact if isinstance(fact, dict) else {}
    return known


def loads(machine: Machine) -> Finding:
    """Check that the network loads and runs on this machine."""
    answer, known = machine.answers.get("network"), facts(machine)
    if answer is None:
        return not_applicable("no network was tried")
    if "refused" in known:
        return problem(str(known["refused"]), "give another network with --model, or install this one again")
    if answer.outcome is Outcome.LATE:
        return warning(
            "loading and running the network takes too long", "choose a smaller network, or reduce it more"
        )
    if answer.outcome is not Outcome.DONE:
        return problem(f"a network does not load and run: {answer.complaint}", REINSTALL)
    return ok(f"{known.get('network', 'the network')} loads and runs")


def golden(machine: Machine) -> Finding:
    """Check that the network answers here as where it was made (onnxruntime issue 13515)."""
    known = facts(machine)
    if "golden_error" not in known:
        return not_applicable("no network ran")
    error = known["golden_error"]
    if error is None:
        return warning(
            "the network carries no known answer to compare with", "write one with 'pi-export card'"
        )
    tolerance = _number(known, "golden_tolerance") or TOLERANCE
    # "not <=" rather than ">": an error of NaN is no small one.
    if not isinstance(error, int | float) or not error <= tolerance:
        return problem(
            f"the network answers wrongly on this machine (off by {error})",
            "try another release of its engine, and do not use this one with this network",
        )
    return ok(f"the network answers as where it was made (off by {error:.1e} of its largest value)")


def static_shapes(machine: Machine) -> Finding:
    """Check that all frames have one shape: else memory may grow (onnxruntime issues 9313 and 11118)."""
    known = facts(machine)
    if not isinstance(known.get("static"), bool):
        return not_applicable("no network ran")
    shape = _times(known.get("input_shape"))
    if known["static"]:
        return ok(f"every frame has the same shape, {shape}")
    detail = f"the network leaves the size open ({shape}), so memory may grow"
    return warning(detail, "export it with a fixed height and width")


def idle_threads(machine: Machine) -> Finding:
    """Check that no threads spin between frames, which heats the board (onnxruntime issue 19968)."""
    idle = _number(facts(machine), "idle_cpu")
    if idle is None:
        return not_applicable("no network ran")
    detail = f"between frames the network's threads use {idle:.0%} of a processor"
    return ok(detail) if idle <= LARGEST_IDLE_CPU else warning(detail, REINSTALL)


def row_padding(machine: Machine) -> Finding:
    """Check that the padding at the end of camera rows does not become picture (picamera2 issue 645)."""
    exact = facts(machine).get("padding_exact")
    if not isinstance(exact, bool):
        return not_applicable("no network ran")
    return (
        ok("padding at the end of rows is left out")
        if exact
        else problem("padding at the end of rows becomes part of the picture", REINSTALL)
    )


def colour_order(machine: Machine) -> Finding:
    """Check that colours arrive: "RGB888" is blue, green, red in memory (picamera2 issues 191 and 848)."""
    exact = facts(machine).get("colour_exact")
    if not isinstance(exact, bool):
        return not_applicable("no network ran")
    return (
        ok("each colour reaches the channel that the model card names")
        if exact
        else problem("colours reach the wrong channels of the network", REINSTALL)
    )


def frame_age(machine: Machine) -> Finding:
    """Check that no queue of frames makes results late (picamera2 issues 426 and 849)."""
    age_ms = _number(facts(machine), "frame_age_ms")
    if age_ms is None:
        return not_applicable("no network ran")
    detail = f"a slow reader gets frames at most {age_ms:.0f} ms old from a source that makes one every 10 ms"
    return (
        ok(detail)
        if age_ms <= OLDEST_FRAME_MS
        else warning(detail, "end other programs: this machine is overloaded")
    )


def _number(known: Mapping[str, Any], key: str) -> float | None:
    value = known.get(key)
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _times(shape: Any) -> str:
    return " × ".join(str(side) for side in shape) if isinstance(shape, list) else "unknown"
