"""Every measured metre is paired with the setting implemented when it passed the die: beside a ledger kept by hand.

The ledger knows nothing of traces: it walks the web centimetre by centimetre and writes down, for each, the roll, the
metre on it and the setting in force. Speed, stops, splices, roll changes, a trembling encoder, reversals and set-points
change at random; gauge values come at once, lab values long after.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core.pairing import BACK_M, locate, rows_at
from control.core.types import Trace

CM = 0.01


@dataclass
class Ledger:
    """``passes``: (roll, centimetre on it) -> settings in force each time it passed; ``web``: the line of foil."""

    passes: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    web: list[tuple[int, int]] = field(default_factory=list)
    at_die: int = 0  # place in ``web``: reversing takes it back
    rows: list[tuple[float, int, float, float]] = field(default_factory=list)  # at_s, roll, web_m, setting
    roll: int = 4
    cm: int = 0
    setting: int = 0

    def __post_init__(self) -> None:
        self._lay()
        self.look()

    def _lay(self) -> None:
        self.passes.setdefault((self.roll, self.cm), []).append(self.setting)
        self.web.append((self.roll, self.cm))
        self.at_die = len(self.web) - 1

    def run(self, cm: int) -> None:
        for _ in range(abs(cm)):
            self.cm += 1 if cm > 0 else -1
            if cm > 0 and self.at_die == len(self.web) - 1:
                self._lay()
                continue
            self.at_die += 1 if cm > 0 else -1
            self.passes[(self.roll, self.cm)].append(self.setting)

    def change_roll(self) -> None:
        self.roll, self.cm = self.roll + 1, 0
        self._lay()

    def end(self, roll: int) -> int:
        """The last centimetre of a roll."""
        return max(cm for of, cm in self.passes if of == roll)

    def look(self, trembles_m: float = 0.0) -> None:
        self.rows.append((float(len(self.rows)), self.roll, max(self.cm * CM + trembles_m, 0.0), float(self.setting)))

    def trace(self) -> Trace:
        at_s, roll, web_m, setting = (np.array(column) for column in zip(*self.rows, strict=True))
        values = setting[:, None]
        return Trace(at_s, roll.astype(np.int64), web_m, values, np.zeros(values.shape, np.int64))


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 20, 40, 80, 100, 137]),  # cm in a second: stops and any speed
        st.sampled_from(["", "", "", "set", "roll"]),
    ),
    min_size=5,
    max_size=40,
)


def line(steps, *, backs=(), trembles=lambda: 0.0) -> Ledger:
    ledger = Ledger()
    for second, (cm, happens) in enumerate(steps):
        if happens == "set":
            ledger.setting += 1
            ledger.rows[-1] = (*ledger.rows[-1][:3], float(ledger.setting))
        if happens == "roll":
            ledger.change_roll()
        elif second in backs:
            ledger.run(-min(backs[second], ledger.cm))
        else:
            ledger.run(cm)
        ledger.look(trembles())
    return ledger


def settings_of(trace: Trace, pieces: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """What the ledger under test says of (roll, centimetre): the setting (NaN: not paired), and whether refused."""
    found = rows_at(trace, np.array([roll for roll, _ in pieces]), np.array([cm * CM for _, cm in pieces]))
    told = np.where(found.row >= 0, trace.values[found.row, 0], np.nan)
    return told, found.refused


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_every_centimetre_maps_to_the_setting_implemented_when_it_passed_the_die(steps):
    ledger = line(steps)
    trace = ledger.trace()
    pieces = sorted(ledger.passes)
    told, refused = settings_of(trace, pieces)
    assert not refused.any()
    seen_end = {roll: max(row[2] for row in ledger.rows if row[1] == roll) for roll, _ in pieces}
    for piece, setting in zip(pieces, told, strict=True):
        roll, cm = piece
        if cm * CM > seen_end[roll] + 1e-9:
            assert np.isnan(setting)
            continue
        on_a_snapshot = any(row[1] == roll and abs(row[2] - cm * CM) < 1e-9 for row in ledger.rows)
        # a centimetre on which a set-point changed was made by both
        assert setting in ledger.passes[piece] or (on_a_snapshot and setting == ledger.passes[piece][0] + 1)


@given(STEPS, st.integers(1, 400), st.data())
@settings(max_examples=40, deadline=None)
def test_a_gauge_value_of_any_instant_maps_to_the_setting_that_made_what_lay_under_it(steps, distance_cm, data):
    ledger, under = Ledger(), []
    for cm, happens in steps:
        if happens == "set":
            ledger.setting += 1
            ledger.rows[-1] = (*ledger.rows[-1][:3], float(ledger.setting))
        if happens == "roll" and ledger.cm:
            ledger.change_roll()
        else:
            ledger.run(cm)
        ledger.look()
        place = ledger.at_die - distance_cm
        # each roll's zero lies on the last centimetre of the one before: the ledger has both
        rolls_between = ledger.roll - (ledger.web[max(place, 0)][0])
        under.append(None if place - rolls_between < 0 else ledger.web[place - rolls_between])
    trace = ledger.trace()
    roll, web_m = locate(trace, trace.at_s[1:], distance_cm * CM)
    for piece, of, metre in zip(under, roll, web_m, strict=True):
        if piece is None:
            continue
        if of != piece[0]:  # the one centimetre that is the end of a roll and the zero of the next
            assert {(of, round(metre / CM)), piece} == {
                (min(of, piece[0]), ledger.end(min(of, piece[0]))),
                (max(of, piece[0]), 0),
            }
        else:
            assert abs(metre - piece[1] * CM) < 1e-6


@given(STEPS, st.dictionaries(st.integers(3, 50), st.integers(60, 900), min_size=1, max_size=3))
@settings(max_examples=40, deadline=None)
def test_metres_over_which_the_web_ran_back_are_refused_and_all_others_keep_their_setting(steps, backs):
    ledger = line([(cm, "" if happens == "roll" else happens) for cm, happens in steps], backs=backs)
    trace = ledger.trace()
    pieces = sorted(ledger.passes)
    told, refused = settings_of(trace, pieces)
    ran_back = np.maximum.accumulate(trace.web_m) - trace.web_m
    if ran_back.max() <= BACK_M:
        assert not refused.any()
        return
    for piece, setting, no in zip(pieces, told, refused, strict=True):
        times = ledger.passes[piece]
        if no:
            assert np.isnan(setting)
            assert len(times) > 1 or piece == pieces[-1]  # where it turned, and has not come back to
        elif np.isfinite(setting):
            assert setting in times or setting == times[0] + 1
    stretch = trace.web_m[ran_back > BACK_M]
    inside = [i for i, (_, cm) in enumerate(pieces) if stretch.min() + 0.005 < cm * CM < stretch.max()]
    assert refused[inside].any() or not inside


@given(STEPS, st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_an_encoder_that_trembles_moves_no_piece_further_than_it_trembles(steps, random):
    quiet = line(steps)
    shaken = line(steps, trembles=lambda: random.uniform(-0.05, 0.05))
    pieces = sorted(quiet.passes)
    found = rows_at(shaken.trace(), np.array([p[0] for p in pieces]), np.array([p[1] * CM for p in pieces]))
    assert not found.refused.any()
    for (roll, cm), row in zip(pieces, found.row, strict=True):
        if row < 0:
            continue
        last = max(i for i, seen in enumerate(quiet.rows) if seen[1] == roll)
        reached = quiet.rows[min(row + 1, last)][2]
        assert quiet.rows[row][2] - 0.1 <= cm * CM <= reached + 0.1
    long_stop = [(100, "")] * 20 + [(0, "")] * 40
    stood = line(long_stop, trembles=lambda: random.uniform(-0.05, 0.05)).trace()
    _, under = locate(stood, stood.at_s[20:], 10.0)
    assert np.ptp(under) < 0.11
