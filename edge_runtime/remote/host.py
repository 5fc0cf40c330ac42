"""Another machine over plain OpenSSH: push files there by content, run ``pi-infer``, bring its answer back.

The user's own ``ssh`` does the talking, so their configuration, agent, jump hosts and known hosts count, and
an unknown or changed host key ends the attempt. One connection carries everything; its control socket lies in
a private folder here. What is pushed stays there for a week under its SHA-256, so that it need not travel
again; everything else is removed when the connection closes. Should the connection break, what runs there is
ended by the end of its standard input.
"""

import contextlib
import hashlib
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from edge_runtime.base.errors import InputError, RemoteError
from edge_runtime.base.files import require_no_pipe
from edge_runtime.remote import scripts

# The user's configuration counts but for this: nothing waits for a person, a dead connection ends within a
# minute, and the other machine gets no way back to this one that we do not need.
SSH_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": "30",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "4",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
}
SSH_FAILED = 255  # of ssh itself; every other code is that of the command there
NOT_FOUND = (126, 127)  # a shell's codes for a command that may not be run, and for one that is not there
SHORTENED = 300  # characters of a line; the other machine may send us anything
LONGEST_FOLDER = 60  # a socket's path has at most 108 characters, of which ssh and we need about 40
ERROR = "pi-infer: error:"

_REASONS = {
    "REMOTE HOST IDENTIFICATION HAS CHANGED": (
        "its host key has changed; if you expected that, forget the old one with 'ssh-keygen -R HOST'"
    ),
    "Host key verification failed": (
        "its host key is not known here; connect once with 'ssh HOST' and compare it"
    ),
    "Permission denied": "it refuses the login; let your key in with 'ssh-copy-id HOST'",
    "Too many authentication failures": "it refuses the login; name the right key in your ssh configuration",
}


class RemoteHost:
    """A machine reached over SSH; a context manager that holds one connection.

    ::

        with RemoteHost("pi@camera") as remote:
            answer = remote.run(["bench", remote.push(Path("reduced.onnx")), "--json", "-"])
    """

    def __init__(
        self,
        host: str,
        *,
        ssh_config: Path | None = None,
        command: str = "pi-infer",
        progress: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """Name the machine; nothing is sent yet.

        Args:
            host: As ``ssh`` takes it: a host, ``user@host``, or a name in the user's configuration.
            ssh_config: A configuration to use instead of the user's.
            command: What starts pi-infer there: shell text, as ``rsync --rsync-path`` takes it.
            progress: Told what happens, one line at a time, also what the other machine says meanwhile.

        Raises:
            InputError: ``host`` would be read as an option, or cannot be a host; or there is no such file.
        """
        # ssh would take "-oProxyCommand=..." for an option, and run it here.
        if host.startswith("-") or not host or not host.isprintable() or " " in host:
            raise InputError(f"--host {host!r} is not a host; give a name, user@name or an address")
        if ssh_config is not None and not ssh_config.is_file():
            raise InputError(f"there is no ssh configuration {ssh_config}")
        self.host = host
        self._ssh_config = ssh_config
        self._command = command
        self._progress = progress
        self._private: tempfile.TemporaryDirectory[str] | None = None
        self._socket = self._cache = self._folder = ""
        self._pushed = 0

    def __enter__(self) -> Self:
        """Connect to the machine. Raises ``RemoteError`` where that fails."""
        folder = tempfile.gettempdir()
        self._private = tempfile.TemporaryDirectory(
            prefix="pi-infer-",
            dir=folder if len(folder) <= LONGEST_FOLDER else "/tmp",  # noqa: S108
        )
        self._socket = f"{self._private.name}/s"
        try:
            self._cache, self._folder = self._prepare()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what this connection made there (except what was pushed) and end it; safe to call twice."""
        if self._private is None:
            return
        try:
            if self._folder:
                with contextlib.suppress(RemoteError):  # a lost connection leaves only links in /tmp
                    self._shell(f"rm -rf {shlex.quote(self._folder)}")
            subprocess.run(self._ssh("-O", "exit"), capture_output=True, check=False)  # ends the master
        except FileNotFoundError:
            pass  # no ssh here, as the first attempt has said
        finally:
            self._private.cleanup()
            self._private, self._folder = None, ""

    def push(self, path: Path, *beside: Path) -> str:
        """Bring a file there, and others beside it under their own names, such as a network's card.

        A file that is there already, with the right content, does not travel again.

        Returns:
            The path of ``path`` there, valid until the connection closes.

        Raises:
            InputError: A file cannot be read.
            RemoteError: It cannot be stored there.
        """
        # A folder for each, for two networks to compare may have one file name.
        self._pushed += 1
        folder = f"{self._folder}/{self._pushed}"
        for file in (path, *beside):
            blob = f"{self._cache}/{self._push_content(file)}"
            link = {"folder": folder, "blob": blob, "name": file.name}
            self._shell(scripts.LINK.format(**{key: shlex.quote(value) for key, value in link.items()}))
        return f"{folder}/{path.name}"

    def run(self, arguments: Sequence[str]) -> str:
        """Run ``pi-infer ARGUMENTS`` there.

        Returns:
            What it wrote to standard output.

        Raises:
            RemoteError: It is not there, it failed (its message is passed on), or the connection broke.
        """
        command = " ".join([self._command, *map(shlex.quote, arguments)])
        code, answer, said = self._attend(self._ssh(script=scripts.RUN.format(command=command)))
        if code in NOT_FOUND:
            raise RemoteError(
                f"{self.host}: {self._command!r} was not found there: install it with deploy/install.sh, "
                "or say where it is with --remote-command"
            )
        if code:
            raise self._failure(code, said)
        return self._answer(answer)

    def _prepare(self) -> list[str]:
        """Connect, and make the folder for what is pushed and the one for this connection."""
        folders = self._shell(scripts.PREPARE, master=True).splitlines()
        if len(folders) != 2 or not all(folder.startswith("/") for folder in folders):
            raise RemoteError(f"{self.host}: cannot make a temporary folder there")
        return folders

    def _push_content(self, path: Path) -> str:
        digest = file_sha256(path)
        words = {"cache": shlex.quote(self._cache), "digest": digest, "damaged": scripts.DAMAGED}
        if self._shell(scripts.IS_THERE.format(**words)).strip() != "yes":
            self._progress(f"pushing {path.name} ({path.stat().st_size / 2**20:.1f} MiB) to {self.host}")
            with path.open("rb") as content:
                self._shell(scripts.RECEIVE.format(**words), stdin=content)
        return digest

    def _ssh(self, *options: str, script: str | None = None, master: bool = False) -> list[str]:
        settings = SSH_OPTIONS | {
            "ControlPath": self._socket,
            "ControlMaster": "yes" if master else "no",
            "ControlPersist": "60",  # seconds without us after which the connection ends, should we be killed
        }
        command = ["ssh"] if self._ssh_config is None else ["ssh", "-F", str(self._ssh_config)]
        command += [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        return [
            *command,
            *options,
            "--",
            self.host,
            *([] if script is None else [scripts.as_command(script)]),
        ]

    def _shell(self, script: str, *, stdin: IO[bytes] | None = None, master: bool = False) -> str:
        """Run a shell script there and return what it wrote, or raise what it said."""
        # A file, not a pipe: the connection that stays in the background keeps standard error open.
        with tempfile.TemporaryFile() as said:
            command = self._ssh(script=script, master=master)
            source = subprocess.DEVNULL if stdin is None else stdin
            try:
                done = subprocess.run(command, stdin=source, stdout=subprocess.PIPE, stderr=said, check=False)
            except FileNotFoundError as error:
                raise RemoteError("ssh is not installed here: install openssh-client") from error
            said.seek(0)
            if done.returncode:
                raise self._failure(done.returncode, said.read().decode(errors="replace").splitlines())
        return self._answer(done.stdout)

    def _attend(self, command: Sequence[str]) -> tuple[int, bytes, list[str]]:
        """Run what may take long: pass on what it says while it runs, and end it when we end."""
        said = []
        with tempfile.TemporaryFile() as answer:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=answer, stderr=subprocess.PIPE)
            with process:
                try:
                    for raw in process.stderr or ():
                        said.append(_printable(raw.decode(errors="replace")))
                        if not said[-1].startswith(ERROR):
                            self._progress(f"{self.host}: {said[-1]}")
                    process.wait()
                except BaseException:
                    # The end of its standard input ends what runs there, too: see scripts.RUN.
                    process.kill()
                    process.wait()
                    raise
            answer.seek(0)
            return process.returncode, answer.read(), said

    def _answer(self, output: bytes) -> str:
        """What follows our mark: start-up files of the shell there may have written before it."""
        text = output.decode(errors="replace")
        _noise, mark, answer = text.partition(f"{scripts.MARK}\n")
        if not mark:
            heard = _printable(text) or "no answer"
            raise RemoteError(f"{self.host}: its shell does not run our commands: {heard}")
        return answer

    def _failure(self, code: int, said: Sequence[str]) -> RemoteError:
        text = "\n".join(said)
        lines = [_printable(line) for line in said if line.strip()]
        reasons = [reason for sign, reason in _REASONS.items() if sign in text]
        if code == SSH_FAILED and reasons:
            return RemoteError(f"{self.host}: {reasons[0].replace('HOST', self.host)}")
        if "No space left" in text:
            return RemoteError(f"{self.host}: no space left there; free some and try again")
        if code == scripts.DAMAGED:
            return RemoteError(f"{self.host}: what was pushed arrived damaged; try again")
        # Its own error is the last word on it; of any other program, the last line is most likely to tell.
        errors = [line for line in lines if line.startswith(ERROR)]
        last = (errors or lines or [f"ended with code {code} and said nothing"])[-1]
        return RemoteError(f"{self.host}: {last.removeprefix(ERROR).strip()}")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content as hexadecimal digits. Raises ``InputError`` if it cannot be read."""
    require_no_pipe(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _printable(line: str) -> str:
    """One line without control characters, which could drive our terminal, and not too long."""
    return "".join(character if character.isprintable() else " " for character in line).strip()[:SHORTENED]
