"""A broken rule is one signal until a person answers it."""

from datetime import timedelta

import pytest

from control.actions import signals
from control.actions.errors import Conflict, Invalid, NoPermission
from control.core.types import Rule
from control.models import AuditEntry, Signal
from tests import factories
from tests.factories import NOW, action_code, cause_code

pytestmark = pytest.mark.django_db


@pytest.fixture
def plant():
    return factories.plant()


def broken(plant, i, rules=Rule.BEYOND_3_SIGMA, stream="loading/1-top", value=21.0):
    return plant.streams[stream].pk, int(rules), NOW + timedelta(seconds=i), 100 + i, value


def note(*points):
    return signals.note(signals.gathered(points), now=NOW)


def test_points_that_break_the_same_rule_are_one_signal_from_first_to_last(plant):
    assert note(broken(plant, 1), broken(plant, 2, value=22.0)) == 1
    assert note(broken(plant, 7, value=23.0)) == 0
    row = Signal.objects.get()
    assert (row.points, row.last_seq, row.value) == (3, 107, 23.0)
    assert row.last_at - row.first_at == timedelta(seconds=6)


def test_each_rule_and_each_stream_has_its_own(plant):
    note(broken(plant, 1, Rule.BEYOND_3_SIGMA | Rule.TREND), broken(plant, 1, stream="loading/2-top"))
    assert Signal.objects.count() == 3


def test_a_late_point_moves_the_beginning(plant):
    note(broken(plant, 5))
    note(broken(plant, 1))
    assert Signal.objects.get().first_at == NOW + timedelta(seconds=1)


def test_an_answered_signal_stays_as_it_is_and_the_next_point_opens_another(plant):
    note(broken(plant, 1))
    first = Signal.objects.get()
    done = action_code("filter_changed")
    signals.close(first, cause=cause_code(), action=done, actor=plant.person("operator"), now=NOW)
    note(broken(plant, 9))
    assert Signal.objects.filter(closed_at__isnull=True).count() == 1
    first.refresh_from_db()
    assert (first.points, first.closed_by) == (1, plant.person("operator"))
    assert (first.action, first.action_taken) == (done, "")
    assert AuditEntry.objects.get(action="signal.close").new["action"] == "filter_changed"


def test_a_signal_is_answered_once_by_someone_who_may_with_words_where_the_code_says_nothing(plant):
    note(broken(plant, 1))
    row, other = Signal.objects.get(), action_code("other", needs_text=True)
    told = {"cause": cause_code(), "action": other, "now": NOW}
    with pytest.raises(NoPermission):
        signals.close(row, **told, action_taken="x", actor=plant.person("viewer"))
    with pytest.raises(Invalid):
        signals.close(row, **told, action_taken="  ", actor=plant.person("operator"))
    signals.close(row, **told, action_taken="x", actor=plant.person("operator"))
    with pytest.raises(Conflict):
        signals.close(row, **told, action_taken="y", actor=plant.person("operator2"))
