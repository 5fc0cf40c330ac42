"""Checks of what is installed: the system's word size, Python packages, libcamera."""

import re

from edge_runtime.doctor.checks.base import Finding, not_applicable, ok, problem, warning
from edge_runtime.doctor.checks.children import Answer, Outcome
from edge_runtime.doctor.checks.machine import Machine

DIES_ON_PI4 = "1.21.0"
FIRST_WITH_TELEMETRY = (1, 29)  # of onnxruntime
TELEMETRY_FOLDER = ".cache/Microsoft/DeveloperTools/.onnxruntime"
# How libraries that were compiled for another numpy say so, from Cython's wheels to NumPy 2 itself.
ABI_COMPLAINTS = (
    "numpy.dtype size changed",
    "numpy.ndarray size changed",
    "_ARRAY_API not found",
    "compiled using NumPy 1",
    "numpy.core.multiarray failed to import",
    "module compiled against ABI version",
)
RENEW_VENV = "make it anew: /usr/bin/python3 -m venv --system-site-packages (deploy/install.sh does)"
WAIT = "close other programs and run the doctor again"
UPGRADE = "sudo apt update && sudo apt full-upgrade"


def word_size(machine: Machine) -> Finding:
    """Check that the system is 64-bit: no 32-bit wheel of onnxruntime exists."""
    if machine.pointer_bits == 64:
        return ok("the system is 64-bit")
    return problem(
        f"the system is {machine.pointer_bits}-bit, for which onnxruntime is not made",
        "write the 64-bit Raspberry Pi OS to the card with Raspberry Pi Imager",
    )


def onnxruntime(machine: Machine) -> Finding:
    """Check that onnxruntime imports; 1.21.0 dies of SIGILL on a Pi 4 (onnxruntime issue 23957)."""
    version = machine.python_packages.get("onnxruntime", "")
    answer = machine.answers.get("onnxruntime")
    name = f"onnxruntime {version}".strip()
    if version == DIES_ON_PI4:
        return problem(
            f"{name} dies of SIGILL on a Pi 4", f"pip install --upgrade 'onnxruntime!={DIES_ON_PI4}'"
        )
    if answer is None:
        return not_applicable(f"{name} was not tried")
    if answer.outcome is Outcome.LATE:
        return warning(f"importing {name} takes too long", WAIT)
    if answer.outcome is not Outcome.DONE:
        remedy = "pip install --force-reinstall onnxruntime (on a Pi by deploy/install.sh)"
        return problem(f"{name} does not import: {answer.complaint}", remedy)
    return ok(f"onnxruntime {answer.output.strip() or version} imports")


def telemetry(machine: Machine) -> Finding:
    """Check that telemetry is forbidden: from 1.29 on onnxruntime reports home without a variable."""
    version = machine.python_packages.get("onnxruntime", "")
    if not version:
        return not_applicable("onnxruntime is not installed")
    if _release(version) < FIRST_WITH_TELEMETRY:
        return ok(f"onnxruntime {version} sends none")
    if machine.unit is not None and "ORT_DISABLE_TELEMETRY=1" not in machine.unit.get("Environment", ""):
        return warning(
            "the installed service does not forbid onnxruntime's telemetry",
            "add Environment=ORT_DISABLE_TELEMETRY=1 with 'sudo systemctl edit pi-infer'",
        )
    if machine.names(machine.home / TELEMETRY_FOLDER):
        return warning(
            f"another program let onnxruntime report home: it left {machine.home / TELEMETRY_FOLDER}",
            f"put 'export ORT_DISABLE_TELEMETRY=1' into ~/.profile and remove ~/{TELEMETRY_FOLDER}",
        )
    return ok("pi-infer forbids it and no other program has sent any")


def numpy_abi(machine: Machine) -> Finding:
    """Check that numpy is the one that picamera2 and OpenCV need (picamera2 issues 1088 and 1211)."""
    version = machine.python_packages.get("numpy", "")
    system = _upstream(machine.packages.get("python3-numpy", ""))
    remedy = (
        f"pip install 'numpy=={system}', as the system's" if system else "pip install --force-reinstall numpy"
    )
    for name in ("opencv", "picamera2"):
        answer = machine.answers.get(name)
        if answer is not None and any(sign in answer.errors for sign in ABI_COMPLAINTS):
            return problem(f"{name} was built for another numpy than {version or 'the one here'}", remedy)
    if not version:
        return not_applicable("numpy is not installed")
    if system and "python3-picamera2" in machine.packages and _release(version)[:1] != _release(system)[:1]:
        return problem(f"numpy {version} hides the system's {system}, which picamera2 was built for", remedy)
    return ok(f"numpy {version} suits the libraries built on it")


def environment(machine: Machine) -> Finding:
    """Check that the environment sees the system's libcamera (picamera2 issues 446 and 964)."""
    if not machine.is_pi:
        return not_applicable("not a Raspberry Pi")
    venv = machine.text(machine.prefix / "pyvenv.cfg")
    if re.search(r"^include-system-site-packages\s*=\s*false", venv, re.MULTILINE | re.IGNORECASE):
        return problem(f"the environment {machine.prefix} hides the system's picamera2", RENEW_VENV)
    own = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+)", venv, re.MULTILINE)
    system = re.match(r"\d+\.\d+", machine.packages.get("python3", ""))
    if own and system and own.group(1) != system.group():
        detail = f"the environment runs Python {own.group(1)}, the system's libcamera is for {system.group()}"
        return problem(detail, RENEW_VENV)
    return ok("the environment sees the system's packages" if venv else "no virtual environment")


def picamera2(machine: Machine) -> Finding:
    """Check that picamera2 imports and can cancel a capture that hangs (issues 794, 1004, 1264)."""
    if not machine.is_pi:
        return not_applicable("not a Raspberry Pi")
    if "python3-picamera2" not in machine.packages:
        return warning(
            "picamera2 is not installed, so --camera cannot work", "sudo apt install -y python3-picamera2"
        )
    answer = machine.answers.get("picamera2")
    return not_applicable("picamera2 was not tried") if answer is None else _picamera2_import(answer)


def _picamera2_import(answer: Answer) -> Finding:
    if answer.outcome is Outcome.LATE:
        return warning("importing picamera2 takes too long", WAIT)
    if answer.outcome is not Outcome.DONE:
        remedy = "sudo apt install --reinstall -y python3-picamera2 python3-libcamera"
        return problem(f"picamera2 does not import: {answer.complaint}", remedy)
    if "cancels" not in answer.output:
        return problem("this picamera2 cannot cancel a capture that hangs", UPGRADE)
    return ok("picamera2 imports and can cancel a capture that hangs")


def libcamera_versions(machine: Machine) -> Finding:
    """Check that all parts of libcamera are of one release: others do not work together."""
    binding = machine.packages.get("python3-libcamera")
    if binding is None:
        return not_applicable("the system's libcamera is not installed")
    if own := _own_builds(machine):
        return problem(
            f"a second libcamera in {own[0]} hides the system's",
            "remove it ('sudo ninja -C build uninstall' where it was built), then sudo ldconfig",
        )
    # Libraries of older releases may stay installed; it is wrong only if none is of this one.
    tuning = machine.packages.get("libcamera-ipa", binding)
    libraries = {v for name, v in machine.packages.items() if re.fullmatch(r"libcamera\d[\d.]*", name)}
    if tuning != binding or (libraries and binding not in libraries):
        others = sorted({tuning, *libraries} - {binding})
        return problem(
            f"libcamera is of mixed versions: {binding} and {', '.join(others)}",
            UPGRADE,
        )
    return ok(f"libcamera {binding} throughout")


def opencv(machine: Machine) -> Finding:
    """Check that OpenCV imports and is the headless wheel, without X and Qt (picamera2 issue 251)."""
    answer = machine.answers.get("opencv")
    windowed = [
        name for name in ("opencv-python", "opencv-contrib-python") if name in machine.python_packages
    ]
    swap = f"pip uninstall -y {' '.join(windowed)} && pip install --force-reinstall opencv-python-headless"
    if answer is not None and answer.outcome in (Outcome.FAILED, Outcome.KILLED, Outcome.ABSENT):
        remedy = swap if windowed else "pip install --force-reinstall opencv-python-headless"
        return problem(f"OpenCV does not import: {answer.complaint}", remedy)
    if windowed and "opencv-python-headless" in machine.python_packages:
        return problem(f"{windowed[0]} and opencv-python-headless overwrite each other's files", swap)
    if windowed and machine.is_pi:
        return warning(f"{windowed[0]} needs X libraries and clashes with camera previews", swap)
    return _opencv_version(answer)


def _opencv_version(answer: Answer | None) -> Finding:
    if answer is None:
        return not_applicable("OpenCV was not tried")
    if answer.outcome is Outcome.LATE:
        return warning("importing OpenCV takes too long", WAIT)
    return ok(f"OpenCV {answer.output.strip()} imports".replace("  ", " "))


def _own_builds(machine: Machine) -> list[str]:
    """Folders below /usr/local with a libcamera that somebody built."""
    folders = ["usr/local/lib", *(f"usr/local/lib/{name}" for name in machine.names("usr/local/lib"))]
    return [f"/{f}" for f in folders if any(n.startswith("libcamera.so") for n in machine.names(f))]


def _upstream(version: str) -> str:
    """A distribution's version as pip writes it: ``1:2.2.4+ds-1`` is 2.2.4."""
    numbers = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", version)
    return numbers.group(1) if numbers else ""


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d{1,9}", version)[:2])
