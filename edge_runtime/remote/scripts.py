"""The shell that runs on the other machine; every part of it is POSIX, so that dash and busybox do.

``PREPARE`` makes the folder for what is pushed and one for this connection, and prints both. ``IS_THERE``
says ``yes`` if the content of that name is there and whole. ``RECEIVE`` takes it from standard input, checks
it and only then gives it its name. ``LINK`` gives it a file name. ``RUN`` ends the command when its own
standard input ends, however that comes. Words between braces are put in quoted.

``PREPARE`` also removes what was not used for a week, for nobody else would. ``RECEIVE`` writes to a name
with the number of its process, so that two connections that push the same do not mix their bytes. In
``RUN``, descriptor 3 keeps the standard input for the watcher: what a shell runs in the background has none.
"""

import shlex

MARK = "pi-infer-answer"  # goes before our answers, as the shell's start-up files may write, too
DAMAGED = 65  # the exit code for data that is not as it should be, by sysexits.h

PREPARE = """
umask 077
cache="${XDG_CACHE_HOME:-$HOME/.cache}/pi-infer/pushed"
mkdir -p "$cache" || exit 1
find "$cache" -type f -mtime +6 -exec rm -f {} +
printf '%s\\n' "$cache"
mktemp -d "${TMPDIR:-/tmp}/pi-infer.XXXXXX"
"""
IS_THERE = """
cd {cache} && [ -f {digest} ] && echo "{digest}  {digest}" | sha256sum -c >/dev/null 2>&1 &&
touch {digest} && echo yes
exit 0
"""
RECEIVE = """
umask 077
cd {cache} || exit 1
trap 'rm -f .{digest}.$$' EXIT
trap 'exit 1' HUP INT TERM
cat >.{digest}.$$ || exit 1
echo "{digest}  .{digest}.$$" | sha256sum -c >/dev/null 2>&1 || exit {damaged}
mv .{digest}.$$ {digest}
"""
LINK = "mkdir -p {folder} && ln -s {blob} {folder}/{name}"
RUN = """
exec 3<&0
{{ exec env ORT_DISABLE_TELEMETRY=1 {command}
}} </dev/null 3<&- &
pid=$!
{{ read -r line <&3; kill $pid; }} >/dev/null 2>&1 &
watcher=$!
wait $pid
code=$?
kill $watcher 2>/dev/null
exit $code
"""


def as_command(script: str) -> str:
    """A script as one command for the login shell (which need not be sh); it prints ``MARK`` first."""
    return f"exec sh -c {shlex.quote(f'echo {MARK}{chr(10)}{script}')}"
