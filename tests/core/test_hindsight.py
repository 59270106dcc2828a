"""Was a "no" right: what a move that was not made would have changed."""

from math import sqrt

import numpy as np
import pytest

from control.core.effect import WIDTH_90
from control.core.hindsight import Stood, Verdict, look_back

HELPED, SAME, HARMED = Verdict.HELPED, Verdict.SAME, Verdict.HARMED


def stood(off: float, forgone: float, half_width: float = WIDTH_90, target: float = 20.0) -> Stood:
    """One stream in units of its own standard deviation, unless a half-width is given."""
    return Stood("x", target, target + off, forgone, half_width)


@pytest.mark.parametrize(
    ("off", "forgone", "gain", "verdict"),
    [
        (-4.0, 4.0, 2.0, HELPED),  # it would have taken away all that was left: half its size nearer
        (-2.0, 4.0, 0.0, SAME),  # as far off on the other side
        (0.0, 4.0, -2.0, HARMED),  # the foil came right by itself
        (3.0, 4.0, -5.0, HARMED),  # the wrong way
        (-1.0, 1.0, 0.5, SAME),  # right, but too small to tell from chance
        (-9.0, 0.0, 0.0, SAME),  # it would have moved nothing here
    ],
)
def test_the_gain_of_one_stream_in_standard_deviations(off, forgone, gain, verdict):
    found = look_back([stood(off, forgone)])
    assert (found.verdict, found.gain) == (verdict, pytest.approx(gain))


def test_it_is_the_difference_of_squared_distances_over_its_own_deviation():
    rng = np.random.default_rng(3)
    off, forgone, half = rng.normal(size=5), rng.normal(size=5), rng.uniform(0.5, 2.0, 5)
    w = WIDTH_90 / half
    nearer = ((off * w) ** 2).sum() - (((off + forgone) * w) ** 2).sum()
    expected = nearer / (2 * sqrt(((forgone * w) ** 2).sum()))
    streams = [stood(*map(float, row)) for row in zip(off, forgone, half, strict=True)]
    assert look_back(streams).gain == pytest.approx(expected)


def test_many_streams_together_tell_what_one_alone_does_not():
    assert look_back([stood(-1.5, 1.5)]).verdict is SAME
    assert look_back([stood(-1.5, 1.5)] * 8).verdict is HELPED


def test_where_it_makes_no_difference_chance_is_called_a_difference_one_time_in_ten():
    rng = np.random.default_rng(11)
    forgone = [1.0, -0.5, 0.8, 0.3]
    told = [
        look_back([stood(-m / 2 + float(noise), m) for m, noise in zip(forgone, row, strict=True)]).verdict
        for row in rng.normal(size=(4000, 4))
    ]
    assert np.mean([one is not SAME for one in told]) == pytest.approx(0.1, abs=0.015)


def test_nothing_to_look_back_on_makes_no_difference():
    assert look_back([]) == look_back([stood(1.0, 0.0)])
