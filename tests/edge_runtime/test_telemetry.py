"""A run leaves nothing of onnxruntime in the user's folders and talks to nobody beyond this machine."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MakeNetwork = Callable[..., Path]


@pytest.fixture
def command(make_network: MakeNetwork, video: Path) -> list[str]:
    return [
        sys.executable, "-m", "edge_runtime.cli",
        "--source", str(video), "--every-frame", "--model", str(make_network()),
    ]  # fmt: skip


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Fresh folders, and no setting of ours that a user's shell would lack."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    for name in ("home", "cache"):
        (tmp_path / name).mkdir()
    return {**kept, "HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_no_file_appears_in_home_or_cache(
    command: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    subprocess.run(command, env=environment, check=True, capture_output=True)
    left = [path for name in ("home", "cache") for path in (tmp_path / name).rglob("*")]
    assert left == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_socket_leaves_this_machine(
    command: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "calls"
    strace = ["strace", "-f", "-qq", "-e", "trace=network", "-o", str(log)]
    traced = subprocess.run([*strace, *command], env=environment, check=False, capture_output=True, text=True)
    if "ptrace" in traced.stderr and traced.returncode:
        pytest.skip(f"strace may not trace here: {traced.stderr.splitlines()[0]}")
    assert traced.returncode == 0, traced.stderr
    assert outside(log.read_text()) == []


def test_the_search_for_sockets_finds_one() -> None:
    calls = (
        'connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = 0\n'
        'connect(4, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0\n'
        'sendto(4, "x", 1, 0, {sa_family=AF_INET, sin_addr=inet_addr("192.0.2.1")}, 16) = 1\n'
        'connect(5, {sa_family=AF_INET6, inet_pton(AF_INET6, "2001:db8::1", &sin6_addr)}, 28) = -1\n'
    )
    assert len(outside(calls)) == 2


def outside(calls: str) -> list[str]:
    """Calls that name an internet address beyond loopback."""
    loopback = re.compile(r'inet_addr\("127\.|inet_pton\(AF_INET6, "::1"')
    return [line for line in calls.splitlines() if "sa_family=AF_INET" in line and not loopback.search(line)]
