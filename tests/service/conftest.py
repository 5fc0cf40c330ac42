"""Debian in a container, with its real systemd and this project installed as on a Pi."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
INSTALLED_FROM = ("pyproject.toml", "README.md", "LICENSE", "edge_runtime", "export", "deploy", "systemd")
ENVIRONMENT = ("PATH=/usr/local/bin:/usr/sbin:/usr/bin", "HOME=/root", "LANG=C.UTF-8")
PATIENCE_SECONDS = 180
INSTALL = "/shared/project/deploy/install.sh --wheels /shared/wheels --with ncnn"


class Machine:
    """A booted container; what it writes vanishes with it."""

    def __init__(self, release: str, root: Path, shared: Path, work: Path) -> None:
        self.release = release
        self._console = (work.parent / "console.log").open("w")
        self._process = subprocess.Popen(
            [HERE / "boot.sh", root, shared, work], stdout=self._console, stderr=subprocess.STDOUT
        )
        self._leader = 0

    def wait_for_boot(self) -> None:
        """Wait until everything it starts is up."""
        wait_until(self._find_leader, "the container's systemd to start")
        wait_until(self._is_running, "the container to boot")

    def run(self, command: str, *, check: bool = True) -> str:
        """Run a shell command inside; its standard output and error, stripped."""
        enter = ["nsenter", f"--target={self._leader}", "-m", "-u", "-i", "-n", "-p", "-C"]
        done = subprocess.run(
            [*enter, "env", "-i", *ENVIRONMENT, "bash", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{command} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout.strip()

    def property(self, name: str) -> str:
        """One property of the service, as ``systemctl show`` gives it."""
        return self.run(f"systemctl show pi-infer --property={name} --value")

    def journal(self) -> str:
        """What the service and systemd logged about it."""
        return self.run("journalctl --unit=pi-infer --output=cat --no-pager")

    def power_off(self) -> None:
        """End it; by force if need be."""
        if self._leader:
            self.run("systemctl poweroff", check=False)
        try:
            self._process.wait(timeout=30 if self._leader else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._console.close()

    def _find_leader(self) -> bool:
        assert self._process.poll() is None, f"the container ended: {Path(self._console.name).read_text()}"
        nspawn = _children(self._process.pid)
        self._leader = next((child for child in _children(*nspawn) if _is_first_process(child)), 0)
        return self._leader != 0

    def _is_running(self) -> bool:
        return self.run("systemctl is-system-running", check=False) in {"running", "degraded"}


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll until ``condition()``; fail after far longer than even a busy machine takes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_SECONDS} s in vain for {what}"
        time.sleep(0.1)


def _children(*parents: int) -> list[int]:
    listings = (Path(f"/proc/{parent}/task/{parent}/children") for parent in parents)
    return [int(child) for listing in listings for child in listing.read_text().split()]


def _is_first_process(process_id: int) -> bool:
    """Whether it is process 1 of its container, and not a helper that sets the container up."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except FileNotFoundError:
        return False
    return "\nNSpid:" in status and status.split("\nNSpid:")[1].splitlines()[0].split()[-1] == "1"


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def machine(
    request: pytest.FixtureRequest,
    built_once: Callable[[Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Machine]:
    """The booted container, of each release, with the service installed but not started."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to boot a systemd in a container")
    missing = [
        tool for tool in ("mmdebstrap", "systemd-nspawn", "unshare", "nsenter") if not shutil.which(tool)
    ]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (apt-get install mmdebstrap systemd-container)")
    try:
        built = built_once(HERE / "make_trees.sh") / request.param
    except RuntimeError as error:
        pytest.skip(f"could not make the Debian trees: {error}")
    folder = tmp_path_factory.mktemp("machine")
    (folder / "work").mkdir()
    shared = _share(built / "wheels", folder / "shared")
    booted = Machine(request.param, built / "root", shared, folder / "work")
    try:
        booted.wait_for_boot()
        booted.run("rm -r /etc/apt/sources.list*")  # there is no network to ask
        booted.run(INSTALL)
        yield booted
    finally:
        booted.power_off()


def _share(wheels: Path, shared: Path) -> Path:
    """The folder seen inside as /shared: the project as checked out, and all wheels to install it from."""
    shutil.copytree(wheels, shared / "wheels")
    (shared / "project").mkdir()
    for name in INSTALLED_FROM:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, shared / "project" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, shared / "project")
    copy = shutil.copytree(shared / "project", shared.parent / "build")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*build, "--wheel-dir", shared / "wheels", copy], check=True)
    return shared
