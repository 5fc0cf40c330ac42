"""How the rate rises and falls, by epochs and by the clock."""

import pytest

from export.recovery.schedule import FULL_RATE_STEPS, WARM_UP, Length, rate, usual_length


def test_the_length_is_counted_in_epochs_or_in_time() -> None:
    assert Length(epochs=4).share(3, seconds=1000) == 0.75
    assert Length(minutes=2).share(3, seconds=90) == 0.75


def test_the_rate_rises_to_its_peak_and_falls_to_nothing() -> None:
    def at(share: float) -> float:
        return rate(share, share * 1000)

    assert at(0) == 0
    assert at(WARM_UP / 2) == pytest.approx(0.5)
    assert at(WARM_UP) == pytest.approx(1)
    assert at((1 + WARM_UP) / 2) == pytest.approx(0.5)
    assert at(1) == pytest.approx(0)
    later = [at(share / 100) for share in range(5, 101)]
    assert later == sorted(later, reverse=True)


def test_a_short_training_goes_at_a_lower_rate() -> None:
    whole = rate(0.5, FULL_RATE_STEPS / 2)
    assert rate(0.5, FULL_RATE_STEPS / 8) == pytest.approx(whole / 2)
    assert rate(0.5, FULL_RATE_STEPS) == whole


def test_few_images_are_shown_more_often() -> None:
    lengths = [usual_length(images).epochs for images in (10, 60, 200, 400)]
    assert lengths == [200, 100, 30, 30]
