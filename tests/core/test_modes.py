"""What each mode of a loop lets the system do."""

import pytest

from control.core.modes import Mode, lower


@pytest.mark.parametrize(
    ("mode", "computes", "offers", "writes", "decides"),
    [
        ("off", False, False, False, False),
        ("shadow", True, False, False, False),
        ("advisory", True, True, False, False),
        ("supervised", True, True, True, False),
        ("auto", True, True, True, True),
    ],
)
def test_each_rung_of_the_ladder(mode, computes, offers, writes, decides):
    rung = Mode(mode)
    assert (rung.computes, rung.offers, rung.writes, rung.decides) == (computes, offers, writes, decides)


def test_the_lower_of_two_modes():
    assert lower(Mode.AUTO, Mode.SUPERVISED) is Mode.SUPERVISED
    assert lower(Mode.SHADOW, Mode.SUPERVISED) is Mode.SHADOW
