"""Results on standard output, warnings on standard error."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.base.errors import one_line
from edge_runtime.base.program import print_to_stderr, print_to_stdout

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH_WITHOUT_TERMINAL = 160
SHOWN_SKIPPED = 5


def show(table: "RenderableType") -> None:
    """Print a table on standard output, as wide as the terminal; 160 columns where there is none."""
    from rich.console import Console  # noqa: PLC0415  loads slowly

    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    console = Console(width=width, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    print_to_stdout(captured.get().removesuffix("\n"))  # rich would hide that our reader went away


def warn_of_skipped(skipped: Sequence[Path]) -> None:
    """Name the first few images that could not be read, if there are any."""
    if skipped:
        named = ", ".join(str(path) for path in skipped[:SHOWN_SKIPPED])
        more = f" and {len(skipped) - SHOWN_SKIPPED} more" if len(skipped) > SHOWN_SKIPPED else ""
        skips = one_line(f"skipped {len(skipped)} unreadable images: {named}{more}")
        print_to_stderr(f"pi-export: warning: {skips}")
