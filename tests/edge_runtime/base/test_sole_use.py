import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.base.sole_use import SoleUse

NAME = f"a name of the tests, in {Path(__file__).parent} and longer than a socket's name may be: {'x' * 200}"


def test_a_name_is_held_by_one_at_a_time() -> None:
    with SoleUse(NAME), SoleUse(f"{NAME}2"), pytest.raises(BlockingIOError):
        SoleUse(NAME)
    again = SoleUse(NAME)
    again.close()
    again.close()
    SoleUse("\udcff").close()


def test_a_process_that_is_killed_gives_its_names_back() -> None:
    begin = "import sys; from edge_runtime.base.sole_use import SoleUse"
    code = f"{begin}; held = SoleUse(sys.argv[1]); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, NAME],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3],
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline()
        with pytest.raises(BlockingIOError):
            SoleUse(NAME)
        holder.kill()
        holder.wait()
    SoleUse(NAME).close()
