"""What made a loop fall silent, or a move need more authority, is told to people in words."""

from __future__ import annotations

import pytest

from control.core.policy import Reason
from dashboards import wording


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words(reason):
    assert (reason in wording.SILENCES) != (reason in wording.NEEDS)


def test_a_change_taken_back_by_the_controller_says_why_and_a_persons_own_words_stay():
    assert "ran back" in wording.silence("web_reversed")
    assert wording.silence("the splice was due") == "the splice was due"
