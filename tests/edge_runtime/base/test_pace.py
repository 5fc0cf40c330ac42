import pytest

from edge_runtime.base.pace import Pace


def due(interval_ns: int, *times_ns: int) -> list[int]:
    pace = Pace(interval_ns)
    return [time_ns for time_ns in times_ns if pace.due(time_ns)]


@pytest.mark.parametrize("boot_ns", [0, 1, 10**9, 10**18])
def test_it_is_due_at_once_and_then_once_in_an_interval_whenever_the_clock_began(boot_ns: int) -> None:
    times_ns = [boot_ns + step for step in range(0, 25, 2)]
    assert due(10, *times_ns) == [boot_ns, boot_ns + 10, boot_ns + 20]


def test_what_a_silence_left_out_is_not_caught_up_on() -> None:
    assert due(10, 0, 95, 96, 100, 104, 105) == [0, 95, 105]


def test_without_an_interval_it_is_always_due() -> None:
    assert due(0, 5, 5, 6) == [5, 5, 6]
