"""Files are written whole or not at all."""

import errno
import os
import stat
from pathlib import Path

import pytest

from edge_runtime.base.errors import InputError
from edge_runtime.base.files import atomic_path, require_writable, write_bytes, write_text


def everything(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_at_the_end_and_not_before(tmp_path: Path) -> None:
    target = tmp_path / "card.json"
    write_text(target, "old")
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
        assert temporary.parent == tmp_path  # of one file system, or it could not be renamed
        assert temporary.name.startswith(".")
    assert target.read_text() == "new"
    assert everything(tmp_path) == ["card.json"]


def write_half(target: Path, failure: BaseException) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        raise failure


def test_a_failure_on_the_way_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "card.json"
    write_text(target, "old")
    for failure, seen in (
        (ZeroDivisionError(), ZeroDivisionError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, "No space left on device"), InputError),
    ):
        with pytest.raises(seen):
            write_half(target, failure)
    assert target.read_text() == "old"
    assert everything(tmp_path) == ["card.json"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_rights_of_any_other(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_bytes(tmp_path / "x", b"1")
        assert os.umask(umask) == umask  # what was looked at was put back
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == mode


def test_a_link_stays_a_link_and_what_it_names_is_written(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real" / "x")
    write_text(link, "ü")
    assert link.is_symlink()
    assert (tmp_path / "real" / "x").read_bytes() == "ü".encode()


def test_what_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for target, words in (
        (tmp_path, "it is a folder; give a file name"),
        (tmp_path / "missing" / "x", "No such file or directory; choose another output path"),
        (tmp_path / "pipe", "it is a device or a pipe"),
    ):
        with pytest.raises(InputError, match=words):
            require_writable(target)
    assert (tmp_path / "pipe").is_fifo()


def test_to_ask_whether_a_file_can_be_written_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    require_writable(tmp_path / "x")
    require_writable(tmp_path / "y")
    assert everything(tmp_path) == ["x"]
    assert (tmp_path / "x").read_text() == "old"
