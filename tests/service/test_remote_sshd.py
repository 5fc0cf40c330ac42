"""``--host`` against a real sshd on loopback, with throwaway keys and strict host keys."""

import contextlib
import getpass
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import InputError, RemoteError
from edge_runtime.bench.report import from_json
from edge_runtime.remote.host import RemoteHost
from export.choose.latency import LatencyTable
from tests.attacks.networks import write_network

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SHORT = ("--seconds", "0.02", "--rounds", "1", "--threads", "1")
HOST = "pi"

pytestmark = pytest.mark.skipif(
    SSHD is None or shutil.which("ssh") is None, reason="needs sshd and ssh (openssh-server, openssh-client)"
)


@dataclass(frozen=True)
class Server:
    """A machine that only differs from us by its folders.

    Attributes:
        config: What ``ssh -F`` needs to reach it as ``pi``.
        home: Its home folder.
        cache: Where pushed files stay.
        temporary: Its folder for temporary files.
        calls: A line for each start of pi-infer there.
        mark: Its processes carry this in their environment.
    """

    config: Path
    home: Path
    cache: Path
    temporary: Path
    calls: Path
    mark: str

    def blobs(self) -> dict[str, int]:
        """Name and inode of what was pushed."""
        return {path.name: path.stat().st_ino for path in self.cache.glob("pi-infer/pushed/*")}

    def connect(self, command: str = "pi-infer", said: list[str] | None = None) -> RemoteHost:
        progress = (lambda _line: None) if said is None else said.append
        return RemoteHost(HOST, ssh_config=self.config, command=command, progress=progress)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("sshd")
    for name in ("host_key", "user_key", "other_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(root / name)]
        subprocess.run(command, check=True)
    port = _free_port()
    server = _server(root, port)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    assert SSHD is not None
    with (root / "sshd.log").open("w") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(root / "sshd_config")], stderr=log)
    try:
        wait_for(lambda: _listens(port))
        yield server
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def server(machine: Server) -> Server:
    """The machine as it was on its first day."""
    for folder in (machine.cache, machine.temporary, machine.home):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    machine.calls.unlink(missing_ok=True)
    return machine


def _server(root: Path, port: int) -> Server:
    server = Server(
        config=root / "ssh_config",
        home=root / "home",
        cache=root / "cache",
        temporary=root / "tmp",
        calls=root / "calls",
        mark=f"PI_INFER_SERVER={root}",
    )
    _install(root / "bin", server)
    (root / "authorized_keys").write_text((root / "user_key.pub").read_text())
    host_key = " ".join((root / "host_key.pub").read_text().split()[:2])
    (root / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    environment = (
        f"PATH={root / 'bin'}:/usr/bin:/bin HOME={server.home} XDG_CACHE_HOME={server.cache} "
        f"TMPDIR={server.temporary} {server.mark}"
    )
    (root / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {root / 'host_key'}\nPidFile none\nUsePAM no\n"
        f"StrictModes no\nAuthorizedKeysFile {root / 'authorized_keys'}\nPasswordAuthentication no\n"
        f"KbdInteractiveAuthentication no\nSetEnv {environment}\n"
    )
    server.config.write_text(_client_config(root, port))
    return server


def _client_config(root: Path, port: int, *, key: str = "user_key", known_hosts: str = "known_hosts") -> str:
    return (
        f"Host {HOST}\nHostName 127.0.0.1\nPort {port}\nUser {getpass.getuser()}\n"
        f"IdentityFile {root / key}\nIdentitiesOnly yes\nIdentityAgent none\nStrictHostKeyChecking yes\n"
        f"UserKnownHostsFile {root / known_hosts}\nGlobalKnownHostsFile none\n"
        # What users have there and must not disturb us:
        "RequestTTY force\nRemoteCommand exec false\nControlMaster auto\nControlPath /nonexistent/%C\n"
    )


def _install(folder: Path, server: Server) -> None:
    folder.mkdir()
    program = folder / "pi-infer"
    interpreter = shlex.quote(sys.executable)
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{server.calls}\nexec {interpreter} -m edge_runtime.cli "$@"\n'
    )
    program.chmod(0o755)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _port(server: Server) -> int:
    found = re.search(r"^Port (\d+)$", server.config.read_text(), re.MULTILINE)
    assert found is not None
    return int(found.group(1))


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A small network with its card beside it."""
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "w"], ["out"])],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 4, 14, 14])],
        [numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")],
    )
    path = tmp_path / "reduced.onnx"
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    path.with_suffix(".json").write_text('{"task": "raw", "input": {"size": [16, 16]}}')
    return path


@pytest.fixture
def base(network: Path) -> Path:
    """The same network with another name inside, and without a card."""
    model = onnx.load(network)
    model.graph.name = "base"
    path = network.with_name("base.onnx")
    onnx.save(model, path)
    return path


def bench(server: Server, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = bench_command(server, *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def bench_command(server: Server, *arguments: object) -> list[str]:
    options = ["--host", HOST, "--ssh-config", str(server.config)]
    return [sys.executable, "-m", "edge_runtime.cli", "bench", *map(str, arguments), *options]


def marked(mark: str) -> list[str]:
    """Command lines of the processes that inherited ``mark`` in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{mark}\0".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def test_both_networks_are_measured_there(server: Server, network: Path, base: Path) -> None:
    done = bench(server, network, "--baseline", base, *SHORT, "--json", "-")
    assert done.returncode == 0, done.stderr
    report = from_json(done.stdout)
    assert [model.path for model in report.models] == [str(base), str(network)]
    assert [model.sha256 for model in report.models] == [digest(base), digest(network)]
    assert report.speedup is not None
    assert "pi: round 1 of 1: base.onnx" in done.stderr
    assert len(server.calls.read_text().splitlines()) == 1


def test_afterwards_only_what_was_pushed_is_there(server: Server, network: Path, base: Path) -> None:
    done = bench(server, network, "--baseline", base, *SHORT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Network")
    assert list(server.temporary.iterdir()) == []
    assert list(server.home.iterdir()) == []
    card = network.with_suffix(".json")
    assert set(server.blobs()) == {digest(network), digest(base), digest(card)}
    wait_for(lambda: not marked(server.mark))


def test_the_same_content_is_pushed_once(server: Server, network: Path) -> None:
    said: list[str] = []
    with server.connect(said=said) as remote:
        remote.push(network)
    before = server.blobs()
    copy = network.with_name("copy.onnx")
    copy.write_bytes(network.read_bytes())
    with server.connect(said=said) as remote:
        assert Path(remote.push(copy)).name == "copy.onnx"
    assert server.blobs() == before
    assert [line for line in said if line.startswith("pushing")] == ["pushing reduced.onnx (0.0 MiB) to pi"]


def test_a_damaged_copy_there_is_pushed_again(server: Server, network: Path) -> None:
    with server.connect() as remote:
        remote.push(network)
    blob = server.cache / "pi-infer" / "pushed" / digest(network)
    blob.write_bytes(blob.read_bytes()[:-1])
    with server.connect() as remote:
        remote.push(network)
    assert digest(blob) == blob.name


def test_what_nobody_asked_for_in_a_week_goes(server: Server, network: Path) -> None:
    with server.connect() as remote:
        remote.push(network)
    [blob] = server.cache.glob("pi-infer/pushed/*")
    week_ago = time.time() - 8 * 86_400
    os.utime(blob, (week_ago, week_ago))
    with server.connect():
        pass
    assert server.blobs() == {}


@pytest.mark.parametrize(
    "name", ["with space.onnx", "a'b.onnx", "$(touch hacked).onnx", "-rf.onnx", "ü\n.onnx"]
)
def test_any_file_name_can_be_pushed(server: Server, network: Path, name: str) -> None:
    odd = network.rename(network.with_name(name))
    with server.connect(command="cat") as remote:
        path = remote.push(odd)
        assert remote.run(["--", path]) == odd.read_bytes().decode(errors="replace")
    assert list(server.home.iterdir()) == []


def test_files_beside_keep_their_names(server: Server, network: Path) -> None:
    with server.connect(command="ls") as remote:
        path = remote.push(network, network.with_suffix(".json"))
        assert remote.run([str(Path(path).parent)]).split() == ["reduced.json", "reduced.onnx"]


def test_arguments_arrive_unchanged(server: Server) -> None:
    arguments = ["a b", "'", '"', "$HOME", "`id`", "*", "", "ü", "\\n", "x\ny"]
    with server.connect(command="printf '%s|'") as remote:
        assert remote.run(arguments) == "|".join(arguments) + "|"


def test_a_talkative_shell_there_does_not_matter(server: Server, network: Path) -> None:
    (server.home / ".bashrc").write_text("echo welcome; echo '{}'\n")
    done = bench(server, network, *SHORT, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert from_json(done.stdout).models[0].name == "reduced.onnx"


@pytest.mark.parametrize(
    ("known", "hint"),
    [("", "its host key is not known here"), ("other_key.pub", "its host key has changed")],
)
def test_without_the_right_host_key_nothing_runs(
    server: Server, network: Path, known: str, hint: str
) -> None:
    root, port = server.config.parent, _port(server)
    key = " ".join((root / known).read_text().split()[:2]) if known else ""
    (root / "wrong_hosts").write_text(f"[127.0.0.1]:{port} {key}\n" if key else "")
    done = bench(_reached_by(server, _client_config(root, port, known_hosts="wrong_hosts")), network, *SHORT)
    assert_refused(server, done, hint)


def test_a_refused_login(server: Server, network: Path) -> None:
    root = server.config.parent
    done = bench(_reached_by(server, _client_config(root, _port(server), key="other_key")), network, *SHORT)
    assert_refused(server, done, "ssh-copy-id pi")


def test_an_unreachable_host(server: Server, network: Path) -> None:
    config = _client_config(server.config.parent, _free_port())
    assert_refused(server, bench(_reached_by(server, config), network, *SHORT), "Connection refused")


def test_pi_infer_is_not_there(server: Server, network: Path) -> None:
    done = bench(server, network, *SHORT, "--remote-command", "absent/pi-infer")
    assert done.returncode == 5
    assert "deploy/install.sh" in done.stderr
    assert "--remote-command" in done.stderr.splitlines()[-1]
    assert list(server.temporary.iterdir()) == []


def test_its_error_is_passed_on(server: Server, network: Path) -> None:
    network.write_bytes(b"not a network")
    done = bench(server, network, *SHORT)
    assert done.returncode == 5
    last = done.stderr.splitlines()[-1]
    assert re.fullmatch(r"pi-infer: error: pi: \S+/reduced.onnx is not an ONNX file, or is cut short", last)
    assert list(server.temporary.iterdir()) == []


@pytest.mark.parametrize("command", ["echo hello", "true", "echo '{}' #", "head -c 100000 /dev/urandom #"])
def test_an_answer_that_is_no_report(server: Server, network: Path, command: str) -> None:
    done = bench(server, network, *SHORT, "--remote-command", command, "--json", network.parent / "out.json")
    assert done.returncode == 5
    assert done.stderr.splitlines()[-1].startswith(
        "pi-infer: error: pi: its answer is not a benchmark report"
    )
    assert not (network.parent / "out.json").exists()


def test_what_it_says_cannot_drive_our_terminal(server: Server) -> None:
    said: list[str] = []
    hostile = r"sh -c 'printf \"\033[2Jhello\n\033[31mbad\" >&2; exit 1'"
    with (
        server.connect(hostile, said) as remote,
        pytest.raises(RemoteError, match="bad") as caught,
    ):
        remote.run([])
    assert str(caught.value).isprintable()
    assert all(line.isprintable() for line in said)


def test_a_full_disk_there(server: Server, network: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", server.cache], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs root, to mount a small file system")
    try:
        network.write_bytes(bytes(1 << 20))
        done = bench(server, network, *SHORT)
        assert done.returncode == 5
        assert "no space left there" in done.stderr.splitlines()[-1]
        assert server.blobs() == {}
        assert list(server.cache.glob("pi-infer/pushed/.*")) == []
    finally:
        subprocess.run(["umount", server.cache], check=True)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Our own folder for temporary files, with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_when_we_end_everything_there_ends(
    server: Server, network: Path, temporary: Path, number: signal.Signals
) -> None:
    command = bench_command(server, network, "--seconds", "60", "--rounds", "1")
    environment = {**os.environ, "TMPDIR": str(temporary)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    with process:
        wait_for(lambda: any("edge_runtime.bench.worker" in line for line in marked(server.mark)))
        assert connections(temporary)
        process.send_signal(number)
        if number != signal.SIGKILL:
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()
    wait_for(lambda: not any("edge_runtime" in line for line in marked(server.mark)))
    if number == signal.SIGKILL:  # the connection itself ends after a minute without use
        for pid in connections(temporary):
            os.kill(pid, signal.SIGTERM)
    else:
        assert process.returncode == 130
        assert list(server.temporary.iterdir()) == []
        assert list(temporary.iterdir()) == []
    wait_for(lambda: not connections(temporary))


def connections(temporary: Path) -> list[int]:
    """The processes of ssh whose control socket lies under ``temporary``."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes()
            if command.startswith(b"ssh") and f"{temporary}/pi-infer-".encode() in command:
                found.append(int(folder.name))
    return found


@pytest.mark.parametrize("host", ["-oProxyCommand=touch hacked", "", "a b", "pi\n"])
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(InputError, match="--host"):
        RemoteHost(host)


def test_no_ssh_here(server: Server, network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(network.parent))
    with pytest.raises(RemoteError, match="install openssh-client"), server.connect():
        pass


def _reached_by(server: Server, config: str) -> Server:
    """The same machine by another configuration."""
    path = server.config.with_name("ssh_config_other")
    path.write_text(config)
    return replace(server, config=path)


def assert_refused(server: Server, done: "subprocess.CompletedProcess[str]", hint: str) -> None:
    assert done.returncode == 5
    [line] = done.stderr.splitlines()
    assert line.startswith("pi-infer: error: pi: ")
    assert hint in line
    assert not server.calls.exists()
    assert server.blobs() == {}


def test_a_cost_table_is_measured_there(server: Server, tmp_path: Path) -> None:
    """The workstation sends shapes and one network; what comes back says whose times they are."""
    write_network(tmp_path / "model.onnx")
    output = tmp_path / "table.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "export.cli", "profile", tmp_path / "model.onnx", "-o", output),
            *("--methods", "channel", "--threads", "1", "--host", HOST, "--ssh-config", server.config),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    table = LatencyTable.from_json(output.read_text(), "table")
    assert table.machine["host"] == HOST
    assert {"pi-infer", "onnxruntime"} <= set(table.machine["versions"])
    assert all(point.ns > 0 for point in table.points)
    calls = server.calls.read_text()
    assert "bench" in calls
    assert "trials" in calls


def test_a_machine_whose_pi_infer_knows_no_trials_is_named(server: Server, tmp_path: Path) -> None:
    write_network(tmp_path / "model.onnx")
    output = tmp_path / "table.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "export.cli", "profile", tmp_path / "model.onnx", "-o", output),
            *("--host", HOST, "--ssh-config", server.config, "--remote-command", "echo"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert done.stderr.startswith(f"pi-export: error: {HOST}: ")
    assert len(done.stderr.splitlines()) == 1
    assert not output.exists()
