"""The facts of a machine that the checks look at. Reading never fails: what cannot be read is empty."""

import os
import re
import shutil
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from edge_runtime.doctor.checks.children import Answer
from edge_runtime.machine.board import ROOT

LARGEST_TEXT_BYTES = 32 << 20  # /var/lib/dpkg/status of a desktop has about 4 MiB
UNIT = "pi-infer.service"
UNIT_FOLDERS = (  # in the order in which systemd prefers them
    "etc/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
)


@dataclass(frozen=True)
class Machine:
    """A machine, or a folder that looks like one.

    Attributes:
        root: Where its file system begins.
        prefix: The Python environment: ``sys.prefix``.
        site: Folders that Python packages are imported from, in their order.
        home: The user's home folder.
        pointer_bits: 64, or 32 where no wheel of onnxruntime exists.
        free_mib: Room on the disk that our state is written to; None where unknown.
        answers: What child processes said; see ``diagnose.questions`` for the names.
    """

    root: Path = ROOT
    prefix: Path = Path(sys.prefix)
    site: tuple[Path, ...] = ()
    home: Path = Path("/root")
    pointer_bits: int = 64
    free_mib: float | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)

    def text(self, name: str | Path) -> str:
        """Text of a file below the root, without a final NUL; empty where it cannot be read."""
        path = self.root / name
        try:
            if not path.is_file():  # a pipe would have us wait
                return ""
            with path.open("rb") as file:
                return file.read(LARGEST_TEXT_BYTES).decode(errors="replace").strip("\0\n ")
        except OSError:
            return ""

    def names(self, folder: str | Path) -> list[str]:
        """Names of what lies in a folder below the root, sorted; none where it cannot be listed."""
        try:
            return sorted(os.listdir(self.root / folder))  # noqa: PTH208  names are all we need of /proc
        except OSError:
            return []

    @cached_property
    def board(self) -> str:
        """Name of the board, for example ``Raspberry Pi 5 Model B Rev 1.0``; empty on other machines."""
        return self.text("proc/device-tree/model")

    @property
    def is_pi(self) -> bool:
        """Whether the machine is a Raspberry Pi."""
        return "Raspberry Pi" in self.board

    @cached_property
    def packages(self) -> Mapping[str, str]:
        """The distribution's packages that are installed, name to version."""
        versions = {}
        # The file itself can be read also where dpkg is what is broken.
        for paragraph in self.text("var/lib/dpkg/status").split("\n\n"):
            if "\nStatus: install ok installed" in paragraph:
                name = re.search(r"^Package: (\S+)$", paragraph, re.MULTILINE)
                version = re.search(r"^Version: (\S+)$", paragraph, re.MULTILINE)
                if name and version:
                    versions[name.group(1)] = version.group(1)
        return versions

    @cached_property
    def python_packages(self) -> Mapping[str, str]:
        """Python packages that are installed, normalised name to version; of several the one imported."""
        versions: dict[str, str] = {}
        # By the names of their folders: importlib.metadata would open a file of each.
        for folder in self.site:
            for entry in self.names(folder):
                if match := re.match(r"([^-]+)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info$", entry):
                    versions.setdefault(re.sub(r"[-_.]+", "-", match.group(1)).lower(), match.group(2))
        return versions

    @cached_property
    def boot_settings(self) -> tuple[str, ...]:
        """The lines of the firmware's ``config.txt`` that are in force on some board."""
        # Sections such as [pi4] are taken for all boards: to leave one out by mistake would hide a cause.
        text = self.text("boot/firmware/config.txt") or self.text("boot/config.txt")
        lines = (re.sub(r"\s+", "", line.partition("#")[0]) for line in text.splitlines())
        return tuple(line for line in lines if line)

    @cached_property
    def unit(self) -> Mapping[str, str] | None:
        """The settings of our systemd unit with its drop-ins, or None where it is not installed."""
        folder = next((folder for folder in UNIT_FOLDERS if self.text(f"{folder}/{UNIT}")), None)
        if folder is None:
            return None
        dropins = f"etc/systemd/system/{UNIT}.d"
        names = [f"{folder}/{UNIT}", *(f"{dropins}/{name}" for name in self.names(dropins))]
        text = "\n".join(self.text(name) for name in names)
        pairs = re.findall(r"^\s*(\w+)\s*=\s*(.*?)\s*$", text, re.MULTILINE)
        return {key: "\n".join(v for k, v in pairs if k == key) for key, _ in pairs}


def this_machine(answers: Mapping[str, Answer]) -> Machine:
    """The facts of the machine we run on.

    Args:
        answers: What child processes said; see ``diagnose.questions`` for the names.
    """
    return Machine(
        site=tuple(Path(folder) for folder in sys.path if folder),
        home=Path(os.environ.get("HOME") or "/root"),
        pointer_bits=8 * struct.calcsize("P"),
        free_mib=_free_mib(),
        answers=answers,
    )


def _free_mib() -> float | None:
    for folder in ("/var/lib", "/"):  # the first may be a file system of its own
        try:
            return shutil.disk_usage(folder).free / 2**20
        except OSError:
            continue
    return None
