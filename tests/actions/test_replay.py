"""A historian file through the same door: checked first, in time order, continued where it stopped, never doubled."""

import gzip
from datetime import timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from control import history
from control.actions import ingest, plant
from control.actions.replaying import Replay
from control.management.commands import replay as command
from control.models import Cursor, Estimator, Limits, Measurement, Point, Snapshot
from control.queries import vm
from tests.factories import NOW

MAP = """
[site]
key = "test"
[area]
key = "a"
[line]
key = "file-line"
[product]
key = "p"
[columns]
layout = "{layout}"
time = {{ column = "Zeit", format = "%d.%m.%Y %H:%M:%S", zone = "Europe/Berlin", resolution_s = {resolution} }}
tag = "Name"
value = "Wert"
delimiter = ";"
decimal = ","
missing = ["---"]
[[equipment]]
key = "m"
kind = "other"
tags = [
    {{ key = "speed", kind = "process", unit = "m/min", low = 0, high = 50, column = "V" }},
    {{ key = "heat", kind = "process", column = "T 1" }},
]
lanes = [{{ number = 1 }}, {{ number = 2 }}]
characteristics = [{{ key = "width", unit = "mm", lower = 9, target = 10, upper = 11 }}]
measured = [
    {{ stream = "width/1", column = "W1", missing = [0], low = 5 }},
    {{ stream = "width/2", column = "W2", missing = [0] }},
]
"""
REAL = settings.BASE_DIR.parent / "shared/data/continuous_line/continuous_factory_process_4500.csv.gz"


def described(tmp_path: Path, layout="wide", resolution=0) -> Path:
    path = tmp_path / "map.toml"
    path.write_text(MAP.format(layout=layout, resolution=resolution))
    return path


def number(value: float) -> str:
    return "---" if np.isnan(value) else f"{value:.4f}".replace(".", ",")


def lines(n: int, shuffled=False) -> list[str]:
    """A file whose widths follow the heat; every tenth width of lane 2 is a drop-out."""
    rng = np.random.default_rng(7)
    heat = 80 + np.cumsum(rng.normal(0, 0.1, n))
    rows = []
    for i in range(n):
        at = f"01.07.2026 08:{i // 60:02d}:{i % 60:02d}"
        widths = 10 + 0.1 * (heat[i] - 80) + rng.normal(0, 0.01, 2)
        speed = np.nan if i == 5 else 20.0
        rows.append(
            f"{at};{number(speed)};{number(heat[i])};{number(widths[0])};{number(0 if i % 10 == 0 else widths[1])}"
        )
    if shuffled:
        rng.shuffle(rows)
    return ["Zeit;V;T 1;W1;W2", *rows]


def written(tmp_path: Path, rows: list[str], name="file.csv") -> Path:
    path = tmp_path / name
    text = "\n".join(rows)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def run(file: Path, map_: Path, **options) -> str:
    out = StringIO()
    call_command("replay", file, plant=map_, stdout=out, **({"speed": 0.0, "inline": True} | options))
    return out.getvalue()


def test_a_wide_file_is_read_with_its_own_formats_in_time_order(tmp_path):
    table = history.load(written(tmp_path, lines(120, shuffled=True)), plant.read(described(tmp_path)))
    assert len(table) == 120
    assert np.all(np.diff(table.at_us) == 1_000_000)
    first = pd.Timestamp(table.at_us[0], unit="us", tz="UTC")
    assert first.isoformat() == "2026-07-01T06:00:00+00:00"
    feed = table.feeds[0]
    assert np.isnan(feed.inputs[5, 0])
    assert np.isnan(feed.measured[::10, 1]).all()
    assert np.isfinite(feed.measured[:, 0]).all()


@pytest.mark.parametrize("name", ["file.csv.gz", "file.parquet"])
def test_the_same_table_comes_from_a_compressed_and_a_parquet_file(tmp_path, name):
    map_ = described(tmp_path)
    plain = history.load(written(tmp_path, lines(60)), plant.read(map_))
    if name.endswith("parquet"):
        frame = pd.read_csv(tmp_path / "file.csv", sep=";", decimal=",", na_values=["---"])
        frame.to_parquet(tmp_path / name)
    else:
        written(tmp_path, lines(60), name)
    other = history.load(tmp_path / name, plant.read(map_))
    assert np.array_equal(plain.at_us, other.at_us)
    np.testing.assert_allclose(plain.feeds[0].inputs, other.feeds[0].inputs)


def test_a_file_with_a_row_a_tag_gives_the_same_table(tmp_path):
    header, *rows = lines(60)
    names = header.split(";")[1:]
    long = ["Zeit;Name;Wert"]
    for row in rows:
        at, *cells = row.split(";")
        long += [f"{at};{name};{cell}" for name, cell in zip(names, cells, strict=True)]
    wide = history.load(written(tmp_path, lines(60)), plant.read(described(tmp_path)))
    found = history.load(written(tmp_path, long, "long.csv"), plant.read(described(tmp_path, "long")))
    assert np.array_equal(wide.at_us, found.at_us)
    np.testing.assert_allclose(wide.feeds[0].measured, found.feeds[0].measured)


def test_coarse_stamps_are_spread_over_what_they_leave_open_in_file_order(tmp_path):
    rows = ["Zeit;V;T 1;W1;W2"] + [f"01.07.2026 08:0{i // 4}:00;20;{80 + i};10;10" for i in range(8)]
    table = history.load(written(tmp_path, rows), plant.read(described(tmp_path, resolution=60)))
    assert (np.diff(table.at_us) == 15_000_000).all()
    assert list(table.feeds[0].inputs[:, 1]) == [80.0 + i for i in range(8)]


def test_every_mismatch_is_said_before_anything_starts(tmp_path):
    rows = ["Zeit;V;T 1;W1", *(f"2026-07-01 08:00:{i:02d};{900 + i};warm;10" for i in range(10))]
    with pytest.raises(CommandError) as missing:
        run(written(tmp_path, rows), described(tmp_path))
    assert "column W2: is not in the file" in str(missing.value)
    rows = [row + ";10" if i else row + ";W2" for i, row in enumerate(rows)]
    with pytest.raises(CommandError) as wrong:
        run(written(tmp_path, rows), described(tmp_path))
    told = str(wrong.value)
    assert "10 stamps are not in the format" in told
    assert "column T 1: 10 values are not numbers, such as 'warm'" in told
    assert "100% of the values are outside the 0 to 50 m/min of tag speed: another unit?" in told


def test_a_map_without_a_layout_or_with_mistakes_of_its_own_says_so(tmp_path):
    path = tmp_path / "map.toml"
    path.write_text(MAP.format(layout="sideways", resolution=0).replace('key = "m"', 'key = "no spaces here"'))
    with pytest.raises(CommandError) as error:
        run(written(tmp_path, lines(3)), path)
    assert {"equipment[0].key", "columns.layout"} <= {
        line.strip().partition(":")[0] for line in str(error.value).splitlines()
    }


def test_an_hour_that_happens_twice_is_said(tmp_path):
    rows = ["Zeit;V;T 1;W1;W2", "25.10.2026 02:30:00;20;80;10;10"]
    with pytest.raises(history.MismatchError, match="happen twice or never in Europe/Berlin"):
        history.load(written(tmp_path, rows), plant.read(described(tmp_path)))


@pytest.mark.django_db
def test_a_replay_stores_every_row_once_and_keeps_the_original_instants(tmp_path):
    file, map_ = written(tmp_path, lines(100)), described(tmp_path)
    assert "100 of 100 rows are stored" in run(file, map_)
    before = list(Snapshot.objects.order_by("at").values_list("at", "sequence", "web_m")), Measurement.objects.count()
    assert "100 of 100 rows are stored already" in run(file, map_)
    after = list(Snapshot.objects.order_by("at").values_list("at", "sequence", "web_m")), Measurement.objects.count()
    assert before == after
    assert before[1] == 190
    assert before[0][0][0].isoformat() == "2026-07-01T06:00:00+00:00"


@pytest.mark.django_db
def test_a_stopped_replay_goes_on_where_it_stopped(tmp_path, monkeypatch):
    file, map_ = written(tmp_path, lines(100)), described(tmp_path)
    monkeypatch.setattr(command, "MOST_ROWS", 30)
    real = Replay.feed

    def feed_then_stop(self, *args, **kwargs):
        stored = real(self, *args, **kwargs)
        monkeypatch.setattr(command.Command, "stopped", property(lambda _: True, lambda *_: None), raising=False)
        return stored

    with monkeypatch.context() as inner:
        inner.setattr(Replay, "feed", feed_then_stop)
        assert "stopped at row 30 of 100" in run(file, map_)
    monkeypatch.undo()
    assert "30 of 100 rows are stored already" in run(file, map_)
    assert Snapshot.objects.count() == 100
    cursor = Cursor.objects.get()
    assert Point.objects.count() == cursor.head_seq == 190


@pytest.mark.django_db
def test_the_first_share_trains_and_the_rest_is_predicted(tmp_path):
    run(written(tmp_path, lines(1000)), described(tmp_path), train=0.6)
    assert Estimator.objects.filter(state="active").count() == 2
    assert Limits.objects.filter(state="active", chart="i_mr").count() == 2
    first, last = (
        Point.objects.filter(by=0).order_by(order).values_list("at", flat=True)[0] for order in ("at", "-at")
    )
    assert last - first == timedelta(seconds=399)
    for error in vm.errors(Snapshot.objects.first().equipment.line):
        assert error.mae < error.mae_of_mean


@pytest.mark.django_db
def test_a_value_outside_its_declared_range_is_kept_but_never_believed(tmp_path):
    rows = [*lines(20), "01.07.2026 08:00:30;20;80;1,5;10"]
    run(written(tmp_path, rows), described(tmp_path))
    assert list(Measurement.objects.filter(quality=2).values_list("value", flat=True)) == [1.5]


@pytest.mark.django_db
def test_a_faster_replay_sends_more_rows_at_once_and_none_early(tmp_path):
    file, map_ = written(tmp_path, lines(100)), described(tmp_path)
    table = history.load(file, plant.read(map_))
    stored = plant.store(plant.read(map_), actor="test", reason="", now=NOW)
    steps = list(
        Replay(ingest.known(ingest.raw(), stored.source.pk), table.at_us, table.feeds).due(0, 100, 50, 0.2, 500)
    )
    assert steps[-1][0] == 100
    assert all(upto - 1 <= when * 50 + 10 for upto, when in steps)
    assert steps[-1][1] == pytest.approx(99 / 50, abs=0.2)


@pytest.mark.django_db
def test_the_real_line_is_predicted_better_than_its_mean():
    if not REAL.exists():
        pytest.skip("the public data set is not beside the project (../shared/data/continuous_line)")
    run(REAL, settings.BASE_DIR / "fixtures/plants/continuous_line.toml", train=0.6)
    found = vm.errors(Snapshot.objects.first().equipment.line)
    assert len(found) >= 12
    better = [error.stream for error in found if error.mae < error.mae_of_mean]
    assert len(better) >= len(found) - 1
    assert Snapshot.objects.count() == 4500
