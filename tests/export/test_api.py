"""``from export import ...``: every name is there, and is what the commands use; see ``test_imports``."""

import pytest

import export


@pytest.mark.parametrize("name", export.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    if name in {"recover", "Recovery"}:
        pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")
    assert name in dir(export)
    part = getattr(export, name)
    assert part.__name__ == name
    assert part.__doc__


def test_the_commands_use_the_very_functions() -> None:
    from export.judge.evaluate import evaluate
    from export.network.inspection import inspect
    from export.reduction.file import reduce

    assert export.evaluate is evaluate
    assert export.inspect is inspect
    assert export.reduce is reduce


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'export' has no attribute 'inspekt'"):
        _ = export.inspekt  # type: ignore[attr-defined]
