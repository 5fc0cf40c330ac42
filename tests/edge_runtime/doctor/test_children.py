import stat
from pathlib import Path

from edge_runtime.doctor.checks.children import Answer, Outcome, ask


def test_children_are_heard_killed_and_never_raise(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.write_text("#!/bin/sh\n")
    locked.chmod(stat.S_IRUSR)
    answers = ask(
        {
            "says": ["/bin/sh", "-c", "echo out; echo err >&2; exit 4"],
            "floods": ["/bin/sh", "-c", "head -c 3000000 /dev/zero; echo x >&2"],
            "hangs": ["/bin/sh", "-c", "sleep 600 & sleep 600"],
            "missing": [str(tmp_path / "missing")],
            "locked": [str(locked)],
            "nul": ["a\0b"],
        },
        limit_s=1.5,
    )
    assert answers["says"] == Answer(Outcome.FAILED, "out\n", "err\n")
    assert answers["says"].complaint == "err"
    assert answers["floods"].outcome is Outcome.DONE
    assert len(answers["floods"].output) == 65536
    assert answers["hangs"].complaint == "did not end in time"
    assert answers["missing"].outcome is answers["locked"].outcome is answers["nul"].outcome is Outcome.ABSENT
    assert answers["missing"].complaint == "No such file or directory"
