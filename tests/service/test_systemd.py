"""The service under a really booted systemd, installed by the installer as on a Pi."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.settings.arguments import ENGINES

from .conftest import Machine, wait_until

PROJECT = Path(__file__).resolve().parents[2]
UNIT = PROJECT / "systemd" / "pi-infer.service"


@pytest.fixture
def service(machine: Machine) -> Iterator[Machine]:
    """The machine with the service started on the demo, its watchdog shortened to 3 s."""
    configure(machine, "--source demo --log-seconds 1")
    machine.run("systemctl start pi-infer")
    yield machine
    machine.run("systemctl stop pi-infer")


def configure(machine: Machine, arguments: str) -> None:
    overrides = "[Service]\\nWatchdogSec=3\\nRestartSec=0\\nTimeoutAbortSec=1\\n"
    machine.run(
        f"""echo 'PI_INFER_ARGS="{arguments}"' > /etc/pi-infer/pi-infer.env
        mkdir -p /run/systemd/system/pi-infer.service.d
        printf '{overrides}' > /run/systemd/system/pi-infer.service.d/test.conf
        systemctl daemon-reload
        systemctl reset-failed pi-infer 2>/dev/null || true
        journalctl --rotate --vacuum-size=1 --quiet"""
    )


def frames_logged(machine: Machine) -> int:
    """The newest total in the service's log."""
    return max((int(count) for count in re.findall(r"\b(\d+) frames", machine.journal())), default=0)


def installed_files(machine: Machine) -> set[str]:
    """Every installed file with a checksum of it, but for pip's notes of where a package came from."""
    listing = machine.run(
        "find /opt/pi-infer /etc /usr/local -type f -not -path '*.dist-info/*' -not -name '*.pyc' -print0"
        " | xargs -0 sha256sum; find /opt/pi-infer /etc /usr/local -type l -printf '%p -> %l\\n'"
    )
    return set(listing.splitlines())


def test_verify_is_silent(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/pi-infer/venv/bin/pi-infer", shutil.which("true") or ""))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.root
def test_verify_is_silent_where_it_is_installed(machine: Machine) -> None:
    assert machine.run("systemd-analyze verify pi-infer.service") == ""


@pytest.mark.root
def test_installing_again_from_the_sources_changes_nothing(machine: Machine) -> None:
    before = installed_files(machine)
    again = machine.run("PIP_NO_INDEX=1 PIP_FIND_LINKS=/shared/wheels /shared/project/deploy/install.sh")
    assert "keeping /opt/pi-infer/venv" in again
    assert installed_files(machine) == before


@pytest.mark.root
def test_the_installed_command_and_versions(machine: Machine) -> None:
    assert machine.run("pi-infer --version").startswith("pi-infer ")
    assert pins(machine.release) <= set(machine.run("/opt/pi-infer/venv/bin/pip freeze").splitlines())


@pytest.mark.root
def test_both_engines_load_where_they_were_installed(machine: Machine) -> None:
    """Ncnn was installed without the libraries that its package asks for."""
    for engine in ENGINES:
        load = f'from edge_runtime.model.engines.select import load_engine; load_engine("{engine}")'
        machine.run(f"/opt/pi-infer/venv/bin/python -c '{load}'")


@pytest.mark.root
def test_the_distributions_numpy_stays_the_only_one(machine: Machine) -> None:
    """Or picamera2, compiled against it, breaks: see deploy/constraints-*.txt."""
    found = machine.run("/opt/pi-infer/venv/bin/python -c 'import cv2, numpy; print(numpy.__file__)'")
    assert found.startswith("/usr/lib/python3/dist-packages/")


def pins(release: str) -> set[str]:
    lines = (PROJECT / "deploy" / f"constraints-{release}.txt").read_text().splitlines()
    return {line for line in lines if not line.startswith("#")}


@pytest.mark.root
def test_it_becomes_ready_on_the_demo(service: Machine) -> None:
    assert service.property("ActiveState") == "active"
    assert service.property("NRestarts") == "0"
    assert "p50" in service.property("StatusText")


@pytest.mark.root
def test_it_outlives_its_watchdog_by_finishing_frames(service: Machine) -> None:
    ready = service.property("ActiveEnterTimestampMonotonic")
    first = frames_logged(service)

    def watchdog_passed_twice() -> bool:
        return int(service.property("WatchdogTimestampMonotonic")) > int(ready) + 2 * 3_000_000

    wait_until(watchdog_passed_twice, "pings over twice the watchdog's time")
    assert service.property("WatchdogUSec") == "3s"
    assert service.property("NRestarts") == "0"
    assert frames_logged(service) > first


@pytest.mark.root
def test_it_runs_without_privileges(service: Machine) -> None:
    status = service.run(f"cat /proc/{service.property('MainPID')}/status")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert 61184 <= int(fields["Uid"].split()[0]) <= 65519  # systemd's range for dynamic users
    assert int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"


@pytest.mark.root
def test_it_is_started_again_after_a_crash(service: Machine) -> None:
    killed = service.property("MainPID")
    service.run(f"kill -KILL {killed}")
    wait_until(lambda: service.property("NRestarts") == "1", "a restart")
    wait_until(lambda: service.property("ActiveState") == "active", "the new process to be ready")
    assert service.property("MainPID") not in {killed, "0"}


@pytest.mark.root
def test_the_watchdog_ends_a_hang_and_starts_it_again(service: Machine) -> None:
    hung = service.property("MainPID")
    service.run(f"kill -STOP {hung}")
    wait_until(lambda: service.property("NRestarts") == "1", "the watchdog")
    wait_until(lambda: service.property("ActiveState") == "active", "the new process to be ready")
    assert service.property("MainPID") not in {hung, "0"}
    assert "Watchdog timeout" in service.journal()


@pytest.mark.root
def test_stop_ends_it_cleanly(service: Machine) -> None:
    service.run("systemctl stop pi-infer")
    assert service.property("ActiveState") == "inactive"
    assert service.property("Result") == "success"
    assert service.property("ExecMainStatus") == "0"
    assert "Traceback" not in service.journal()


@pytest.mark.root
def test_a_wrong_option_is_logged_in_one_line_and_not_tried_again(machine: Machine) -> None:
    configure(machine, "--source /no/such/video.mp4")
    machine.run("systemctl start pi-infer", check=False)
    wait_until(lambda: machine.property("ActiveState") == "failed", "the service to fail")
    assert machine.property("ExecMainStatus") == "2"
    assert machine.property("NRestarts") == "0"
    assert machine.journal().count("pi-infer: error: ") == 1
    assert "Traceback" not in machine.journal()


@pytest.mark.root
def test_it_leaves_no_file_behind(machine: Machine) -> None:
    configure(machine, "--source demo --log-seconds 1")
    machine.run("touch /before; sleep 0.1; systemctl start pi-infer")
    wait_until(lambda: frames_logged(machine) > 20, "some frames")
    machine.run("systemctl stop pi-infer")
    written = machine.run(
        "find / -xdev -newer /before -type f -not -path '/var/log/journal/*' -not -path '/before'"
    )
    assert written == ""


@pytest.mark.root
def test_uninstalling_keeps_only_settings_and_state(machine: Machine) -> None:
    """The last test of this file: afterwards nothing is installed."""
    machine.run("systemctl start pi-infer && /shared/project/deploy/install.sh --uninstall")
    assert machine.run("systemctl is-active pi-infer", check=False) == "inactive"
    gone = ("/opt/pi-infer", "/usr/local/bin/pi-infer", "/etc/systemd/system/pi-infer.service")
    assert machine.run(f"ls -d {' '.join(gone)}", check=False).count("No such file") == len(gone)
    assert machine.run("ls /etc/pi-infer") == "pi-infer.env"
    machine.run("/shared/project/deploy/install.sh --uninstall")
