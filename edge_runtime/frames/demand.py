"""Which frames of a live source are worth the work of converting them.

While a slow network is busy, a camera takes several frames, of which only the last is ever seen. Converting
or decompressing the others took a good part of a core from the network.
"""

import time
from collections import deque
from collections.abc import Callable

REMEMBERED = 8  # enough to hold a network's fast turns, few enough to follow a change within a second or two


class Demand:
    """Foretells whether a frame will still be the newest when its reader comes for one.

    It errs towards converting: it counts on the reader's fastest of the last few turns, and on the longest of
    the last few intervals between frames. Not safe for threads: the caller holds a lock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turns_s: deque[float] = deque(maxlen=REMEMBERED)
        self._intervals_s: deque[float] = deque(maxlen=REMEMBERED)
        self._taken_s: float | None = None
        self._asked_s: float | None = None

    def comes(self) -> None:
        """Take note that the reader wants a frame and waits for it."""
        if self._taken_s is not None:
            self._turns_s.append(self._clock() - self._taken_s)
        self._taken_s = None

    def takes(self) -> None:
        """Take note that the reader has got its frame and is busy with it."""
        self._taken_s = self._clock()

    def wants(self) -> bool:
        """Whether the frame that has just come is worth converting; to be asked once for each frame."""
        now_s = self._clock()
        if self._asked_s is not None:
            self._intervals_s.append(now_s - self._asked_s)
        self._asked_s = now_s
        # A reader that waits takes the very next frame; and before enough is known, every frame may be it.
        if self._taken_s is None or min(len(self._turns_s), len(self._intervals_s)) < REMEMBERED:
            return True
        # Will another frame come before the reader can be back? Then this one is never seen.
        return now_s + max(self._intervals_s) >= self._taken_s + min(self._turns_s)
