from edge_runtime.frames.demand import REMEMBERED, Demand


class Run:
    """A reader that needs ``turn_ms`` for each frame, and frames every ``interval_ms``."""

    def __init__(self, turn_ms: float, interval_ms: float) -> None:
        self.now_s = 0.0
        self.demand = Demand(lambda: self.now_s)
        self.turn_s = turn_ms / 1000
        self.interval_s = interval_ms / 1000
        self.converted = 0
        self.ages_s: list[float] = []
        self.waited_s = 0.0
        self._free_s = 0.0
        self._newest_s: float | None = None

    def frames(self, count: int) -> None:
        arrivals = [self.now_s + self.interval_s * number for number in range(1, count + 1)]
        for arrival_s in arrivals:
            while self._free_s <= arrival_s and self._newest_s is not None:
                self._serve(self._free_s)
            self.now_s = arrival_s
            if self._free_s <= arrival_s:
                self.demand.comes()
            if self.demand.wants():
                self.converted += 1
                self._newest_s = arrival_s
            if self._free_s <= arrival_s and self._newest_s is not None:
                self.waited_s += arrival_s - self._free_s
                self._serve(arrival_s)

    def _serve(self, time_s: float) -> None:
        assert self._newest_s is not None
        self.now_s = time_s
        self.demand.comes()
        self.ages_s.append(time_s - self._newest_s)
        self._newest_s = None
        self.demand.takes()
        self._free_s = time_s + self.turn_s


def test_a_reader_that_is_fast_enough_gets_every_frame() -> None:
    run = Run(turn_ms=20, interval_ms=33)
    run.frames(100)
    assert run.converted == 100


def test_a_slow_reader_costs_little_more_than_the_frames_it_takes() -> None:
    run = Run(turn_ms=200, interval_ms=33)
    run.frames(600)
    taken = len(run.ages_s)
    assert taken > 90
    assert run.converted <= 1.3 * taken + 8 * REMEMBERED


def test_frames_are_no_older_and_nobody_waits_longer_for_it() -> None:
    run = Run(turn_ms=107, interval_ms=33)
    run.frames(600)
    assert max(run.ages_s) <= 0.0331
    assert run.waited_s <= 0.034  # for the very first frame


def test_a_reader_that_becomes_faster_waits_for_one_frame_at_most() -> None:
    run = Run(turn_ms=300, interval_ms=33)
    run.frames(300)
    run.turn_s, run.waited_s = 0.1, 0.0
    run.frames(300)
    assert run.waited_s <= 2 * 0.0331
