"""What happens in the past shift that the demo is filled with."""

from control.demo.lines import past_shift


def test_a_short_shift_has_every_event_of_a_whole_one_in_the_same_order():
    whole, short = past_shift(8.0), past_shift(0.5)
    assert [event.kind for event in short.events] == [event.kind for event in whole.events]
    assert max(event.at_s for event in short.events) < 1800 <= max(event.at_s for event in whole.events)
    assert past_shift(16.0).events == whole.events
