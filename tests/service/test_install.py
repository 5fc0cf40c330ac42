"""The installer: what it would do on other systems, and what it refuses."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SCRIPTS = [".ci/run", *(str(path.relative_to(PROJECT)) for path in sorted(PROJECT.glob("[dt]*/**/*.sh")))]


@pytest.fixture
def system(tmp_path: Path) -> "System":
    return System(tmp_path)


class System:
    """Answers the installer's questions about the machine: other commands are found first in PATH."""

    def __init__(self, folder: Path) -> None:
        self.os_release = folder / "os-release"
        self.commands = folder / "bin"
        self.commands.mkdir()
        self.release("trixie")
        self.command("dpkg", "echo arm64")
        self.command("dpkg-query", "exit 1")
        self.command("apt-cache", "exit 100")
        for changing in ("apt-get", "systemctl", "install", "mkdir", "rm", "cp", "ln"):
            self.command(changing, f"touch {folder}/changed")
        self.changed = folder / "changed"

    def release(self, codename: str) -> None:
        self.os_release.write_text(
            f'PRETTY_NAME="Debian GNU/Linux"\nID=debian\nVERSION_CODENAME={codename}\n'
        )

    def command(self, name: str, script: str) -> None:
        (self.commands / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.commands / name).chmod(0o755)

    def install(self, *options: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PATH": f"{self.commands}:{os.environ['PATH']}",
            "PI_INFER_OS_RELEASE": str(self.os_release),
        }
        return subprocess.run(
            [PROJECT / "deploy" / "install.sh", *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("install.sh: error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_finds_nothing(script: str) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("needs shellcheck")
    done = subprocess.run(["shellcheck", PROJECT / script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_dry_run_prints_every_step_and_changes_nothing(system: System, release: str) -> None:
    system.release(release)
    done = system.install("--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    steps = [line.removeprefix("+ ") for line in done.stdout.splitlines() if line.startswith("+ ")]
    for step in (
        "apt-get install -y --no-install-recommends python3-venv",
        "/usr/bin/python3 -m venv --clear --system-site-packages /opt/pi-infer/venv",
        f"deploy/constraints-{release}.txt",
        "systemd/pi-infer.service /etc/systemd/system/pi-infer.service",
        "ln -sfn /opt/pi-infer/venv/bin/pi-infer /usr/local/bin/pi-infer",
    ):
        assert sum(step in line for line in steps) == 1, step
    assert not system.changed.exists()


def test_without_the_raspberry_pi_archive_it_goes_on_and_says_so(system: System) -> None:
    output = system.install("--dry-run").stdout
    assert "no package python3-picamera2 here" in output
    assert "install -y --no-install-recommends python3-picamera2" not in output


def test_picamera2_is_installed_where_apt_has_it(system: System) -> None:
    system.command("apt-cache", "exit 0")
    assert "install -y --no-install-recommends python3-picamera2" in system.install("--dry-run").stdout


def test_installed_packages_are_left_alone(system: System) -> None:
    system.command("dpkg-query", "echo install ok installed")
    assert "apt-get" not in system.install("--dry-run").stdout


@pytest.mark.parametrize("architecture", ["armhf", "armel", "i386"])
def test_32_bit_is_refused_with_the_remedy(system: System, architecture: str) -> None:
    system.command("dpkg", f"echo {architecture}")
    message = refusal(system.install("--dry-run"))
    assert architecture in message
    assert "install the 64-bit Raspberry Pi OS" in message


def test_an_unknown_release_is_refused_and_can_be_overridden(system: System) -> None:
    system.release("forky")
    assert "release forky is not tested" in refusal(system.install("--dry-run"))
    done = system.install("--dry-run", "--release", "trixie")
    assert done.returncode == 0
    assert "constraints-trixie.txt" in done.stdout


def test_a_system_without_os_release_is_refused(system: System) -> None:
    system.os_release.unlink()
    assert "--release" in refusal(system.install("--dry-run"))


@pytest.mark.parametrize(
    "options", [["--frobnicate"], ["--wheels"], ["--release", "sarge"], ["--wheels", "/none"]]
)
def test_bad_usage_is_one_line(system: System, options: list[str]) -> None:
    refusal(system.install("--dry-run", *options))


def test_a_folder_without_our_wheel_is_refused_with_the_remedy(system: System, tmp_path: Path) -> None:
    assert "pip wheel --no-deps" in refusal(system.install("--dry-run", "--wheels", str(tmp_path)))


def test_uninstall_dry_run_changes_nothing(system: System) -> None:
    done = system.install("--uninstall", "--dry-run")
    assert done.returncode == 0
    assert "+ rm -rf /opt/pi-infer/venv" in done.stdout
    assert not system.changed.exists()


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_pinned_versions_avoid_the_known_bad_ones(release: str) -> None:
    lines = (PROJECT / "deploy" / f"constraints-{release}.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert pins["onnxruntime"] != "1.21.0"
    assert "opencv-python" not in pins
    assert "opencv-python-headless" in pins
    assert pins["numpy"].startswith({"bookworm": "1.24.", "trixie": "2.2."}[release])
