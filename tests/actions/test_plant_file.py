"""What a person is told about a plant file: every mistake, at once, by its path and in plain words."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from control.plantfile import PlantFileError, parse, read
from tests.core.twins import table

PUMP, BOLT, SOLIDS = 0, 2, 11  # their places among the coater's tags


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(table("plants/cathode.toml"))


@pytest.fixture
def coater(document) -> dict[str, Any]:
    return document["equipment"][0]


def mistakes(document) -> list[str]:
    with pytest.raises(PlantFileError) as caught:
        parse(document)
    return caught.value.errors


def test_a_right_file_is_read_with_all_it_says(document):
    plant = parse(document, "cathode.toml")
    coater = plant.equipment[0]
    assert (plant.name, plant.time_zone, plant.recipe_number) == ("cathode.toml", "Asia/Seoul", 1)
    assert coater.tags[PUMP].names.name_ko == "상면 펌프"
    assert coater.tags[PUMP].high == 120.0
    assert coater.streams[0] == "loading/1-top"
    assert coater.characteristics[0].spec.as_json() == {"lower": 19.7, "target": 20.0, "upper": 20.3}
    assert plant.columns is None


def test_what_a_loop_stores_is_what_json_gives_back(document, coater):
    settings = parse(document).equipment[0].loops[0].settings
    assert settings == {
        **{key: coater["loop"][0][key] for key in ("cvs", "mvs", "gains", "sum_zero", "neighbours", "bend_um")},
        "deadband": 0.1,
        "dead_time_m": 60.0,
        "estimator": "ewma",
        "ewma_weight": 0.1,
        "drift_weight": None,
        "wander_per_m": None,
        "cv_weights": [],
        "move_weight": 0.1,
        "nominal_weight": 0.02,
        "cross_direction": [],
        "gain_schedule": None,
        "approvals_per_shift": None,
        "noise": None,
        "decision_s": None,
        "feed_forward": [
            {"tag": "solids", "equipment": None, "streams": [], "gains": [0.2857] * 4},
            {"tag": "slurry_density", "equipment": None, "streams": [], "gains": [9.091] * 4},
        ],
    }


def test_a_lip_is_named_by_three_bolts_or_more_that_the_loop_moves(document, coater):
    coater["loop"][0] |= {"neighbours": [["bolt_top_1", "bolt_top_2", "bolt_top_3", "bolt_top_4"]], "bend_um": 30.0}
    assert parse(document).equipment[0].loops[0].bend_um == 30.0
    coater["loop"][0]["neighbours"] = [["bolt_top_1", "bolt_top_2"]]
    coater["loop"][1] |= {"neighbours": [["bolt_bottom_1", "bolt_bottom_2", "line_speed"]], "cv_weights": [1.0]}
    assert mistakes(document) == [
        "equipment[0].loop[0].neighbours: must be lists of three different mvs or more, in their order on the lip",
        "equipment[0].loop[1].cv_weights: must be one number for each of the cvs",
        "equipment[0].loop[1].neighbours: line_speed is not one of the mvs",
    ]


def test_approvals_per_shift_stand_for_a_deadband_where_the_noise_is_told(document, coater):
    loop = coater["loop"][0]
    del loop["deadband"]
    loop |= {"approvals_per_shift": 480 / 6.91, "noise": 0.03, "decision_s": 60.0}
    assert parse(document).equipment[0].loops[0].deadband == pytest.approx(2 * 0.03, rel=0.01)
    loop["approvals_per_shift"] = 500.0
    assert mistakes(document) == [
        "equipment[0].loop[0]: approvals_per_shift: a loop cannot adjust more often than it decides"
    ]
    del loop["noise"]
    assert mistakes(document) == [
        "equipment[0].loop[0]: approvals_per_shift needs noise and decision_s, all more than 0"
    ]


def test_a_gain_schedule_needs_a_curve_its_force_and_streams_it_speaks_of(document, coater):
    press = document["equipment"][1]
    assert parse(document).equipment[1].loops[1].gain_schedule == "compaction"
    coater["loop"][0]["gain_schedule"] = "compaction"
    press["loop"][1] |= {"mvs": ["gap_tilt"], "gains": [[0.001]] * 4}
    assert mistakes(document) == [
        "equipment[0].loop[0].gain_schedule: needs physics of kind compaction",
        "equipment[1].loop[1].gain_schedule: needs line_force among the mvs",
    ]


def test_an_estimator_has_the_figures_that_are_its_own(document, coater):
    first, second = coater["loop"]
    first |= {"estimator": "double_ewma", "drift_weight": 0.05}
    second |= {"estimator": "kalman", "wander_per_m": 0.01}
    loops = parse(document).equipment[0].loops
    assert [loop.settings["estimator"] for loop in loops] == ["double_ewma", "kalman"]
    first |= {"drift_weight": None, "wander_per_m": 0.01}
    second |= {"estimator": "pid"}
    assert mistakes(document) == [
        "equipment[0].loop[0].drift_weight: is missing: the estimator double_ewma needs it",
        "equipment[0].loop[0].wander_per_m: belongs to the estimator kalman, not to double_ewma",
        "equipment[0].loop[1].estimator: must be 'ewma', 'double_ewma' or 'kalman'",
    ]
    first |= {"drift_weight": 1.5, "wander_per_m": None}
    second |= {"estimator": "kalman", "wander_per_m": 0.0}
    assert mistakes(document) == [
        "equipment[0].loop[0].drift_weight: must be 1 or less",
        "equipment[0].loop[1].wander_per_m: must be more than 0",
    ]


def test_a_bend_without_neighbours_is_a_mistake(document, coater):
    del coater["loop"][0]["neighbours"]
    assert mistakes(document) == ["equipment[0].loop[0].bend_um: needs neighbours"]


def test_a_name_that_is_not_given_is_the_key(document):
    del document["area"]["name"]
    assert parse(document).area.name == "electrode"


def test_every_mistake_is_said_at_once(document, coater):
    document["site"]["time_zone"] = "Mars/Base"
    document["product"] = "NMC"
    coater["kind"] = "oven"
    coater["tags"][PUMP]["key"] = "pump top"
    coater["tags"][SOLIDS]["colour"] = "grey"
    coater["loop"][1]["cvs"][0] = "loading/9-bottom"
    del coater["loop"][0]["deadband"]
    document["equipment"][1]["cycle_s"] = 0
    assert mistakes(document) == [
        "site.time_zone: 'Mars/Base' is not a time zone name such as Asia/Seoul",
        "product: must be a table",
        "equipment[0].kind: must be 'coater', 'press' or 'other'",
        "equipment[0].tags[0].key: must be letters, digits, - and _ (64 at most)",
        "equipment[0].tags[11].colour: is not a known key",
        "equipment[0].loop[0].mvs[0]: pump_top is not a tag of this equipment",
        "equipment[0].loop[0].deadband: is missing",
        "equipment[0].loop[1].cvs[0]: loading/9-bottom is not a stream of this equipment",
        "equipment[1].cycle_s: must be 0.001 or more",
    ]


def test_the_message_names_the_file_and_every_mistake(document):
    del document["site"]["key"], document["line"]["key"]
    with pytest.raises(PlantFileError, match=r"^mine: site.key: is missing; line.key: is missing$"):
        parse(document, "mine")


@pytest.mark.parametrize(
    ("where", "path"),
    [
        (lambda d: d, "extra"),
        (lambda d: d["recipe"], "recipe.extra"),
        (lambda d: d["equipment"][0], "equipment[0].extra"),
        (lambda d: d["equipment"][0]["lanes"][3], "equipment[0].lanes[3].extra"),
        (lambda d: d["equipment"][0]["characteristics"][0], "equipment[0].characteristics[0].extra"),
        (lambda d: d["equipment"][1]["loop"][0], "equipment[1].loop[0].extra"),
        (lambda d: d.setdefault("columns", {"time": {"column": "t"}})["time"], "columns.time.extra"),
    ],
)
def test_an_unknown_key_is_named(document, where, path):
    where(document)["extra"] = 1
    assert mistakes(document) == [f"{path}: is not a known key"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (True, "must be a number"),
        ("12", "must be a number"),
        (float("nan"), "must be a number"),
        (float("inf"), "must be a number"),
        (-1, "must be 0 or more"),
    ],
)
def test_a_number_is_a_finite_number_and_nothing_like_one(document, coater, value, says):
    coater["gauge_distance_m"] = value
    assert mistakes(document) == [f"equipment[0].gauge_distance_m: {says}"]


@pytest.mark.parametrize("value", [True, 1.0, "1", -1, 40000])
def test_a_lane_number_is_a_whole_number(document, coater, value):
    document["equipment"][1]["lanes"].append({"number": value})
    assert [mistake.partition(":")[0] for mistake in mistakes(document)] == ["equipment[1].lanes[4].number"]


@pytest.mark.parametrize("value", ["", "  ", "a\x00b", "x" * 121, 5])
def test_a_name_is_text_that_can_be_read_and_stored(document, value):
    document["line"]["name"] = value
    assert mistakes(document)[0].startswith("line.name: must be text")


def test_a_web_a_lane_and_a_measured_column_refer_to_what_is_there(document, coater):
    coater["web"]["speed"] = "velocity"
    coater["lanes"][2]["specs"] = {"thickness": {"target": 1}}
    coater["measured"] = [{"stream": "loading/1", "column": "L1"}]
    assert mistakes(document) == [
        "equipment[0].web.speed: velocity is not a tag of this equipment",
        "equipment[0].lanes[2].specs.thickness: thickness is not a characteristic of this equipment",
        "equipment[0].measured[0].stream: loading/1 is not a stream of this equipment",
    ]


def test_a_reference_is_only_to_the_same_equipment(document, coater):
    document["equipment"][1]["web"]["speed"] = "line_speed"
    assert mistakes(document) == ["equipment[1].web.speed: line_speed is not a tag of this equipment"]


def test_a_tag_a_loop_moves_needs_limits_a_step_and_a_set_point(document, coater):
    for key in ("machine_high", "max_step"):
        del coater["tags"][BOLT][key]
    del document["equipment"][1]["tags"][0]["set_point"]
    assert mistakes(document) == [
        "equipment[0].loop[0].mvs[1]: bolt_top_1 needs machine_high, max_step to be moved",
        "equipment[1].loop[1].mvs[0]: line_force needs set_point to be moved",
    ]


def test_gains_have_a_row_a_cv_and_a_number_an_mv(document, coater):
    coater["loop"][0]["gains"].pop()
    coater["loop"][1]["gains"][2].append(0.1)
    assert mistakes(document) == [
        "equipment[0].loop[0].gains: must be 4 rows (cvs) of 5 numbers (mvs)",
        "equipment[0].loop[1].gains: must be 4 rows (cvs) of 5 numbers (mvs)",
    ]


def test_only_moved_tags_can_be_held_to_a_sum_of_zero(document, coater):
    coater["loop"][0]["sum_zero"] += ["bolt_bottom_1", "bolt_bottom_2"]
    assert mistakes(document) == ["equipment[0].loop[0].sum_zero: bolt_bottom_1, bolt_bottom_2 is not one of the mvs"]


def test_low_is_below_high_everywhere(document, coater):
    coater["tags"][SOLIDS] |= {"low": 80, "high": 60}
    coater["tags"][SOLIDS + 1] |= {"machine_low": 2, "machine_high": 2}
    coater["characteristics"][0] |= {"lower": 20.1, "upper": 20}
    coater["lanes"][0]["specs"] = {"loading": {"lower": 2, "upper": 1}}
    coater["measured"] = [{"stream": "loading/1-top", "column": "L1", "low": 30, "high": 10}]
    assert mistakes(document) == [
        "equipment[0].tags[11].high: must be above low",
        "equipment[0].tags[12].machine_high: must be above machine_low",
        "equipment[0].lanes[0].specs.loading.upper: must be above lower",
        "equipment[0].characteristics[0].target: must be above lower",
        "equipment[0].characteristics[0].upper: must be above lower",
        "equipment[0].measured[0].high: must be above low",
    ]


def test_a_set_point_lies_within_the_machine_limits(document, coater):
    coater["tags"][PUMP]["set_point"] = 90
    assert mistakes(document) == ["equipment[0].tags[0].set_point: is outside the machine limits"]


def test_a_key_is_there_once(document, coater):
    coater["lanes"].append({"number": 1, "side": "top"})
    coater["tags"].append(coater["tags"][SOLIDS])
    assert mistakes(document) == [
        "equipment[0].tags: solids is there more than once",
        "equipment[0].lanes: 1-top is there more than once",
    ]


def test_a_plant_has_equipment_and_each_only_once(document, coater):
    assert mistakes(document | {"equipment": []}) == ["equipment: at least one is needed"]
    assert mistakes(document | {"equipment": [coater, coater]}) == ["equipment: coater is there more than once"]


def test_a_connector_says_its_kind_and_whatever_else_it_needs(document, coater):
    coater["connector"] = {"kind": "opc", "address": "opc.tcp://line"}
    assert parse(document).equipment[0].connector == coater["connector"]
    del coater["connector"]["kind"]
    assert mistakes(document) == ["equipment[0].connector: needs a kind, as text"]


def test_the_columns_of_a_historian_file_are_read(document):
    document["columns"] = {"time": {"column": "stamp", "resolution_s": 60}, "delimiter": "\t", "missing": ["", "n/a"]}
    columns = parse(document).columns
    assert (columns.time, columns.format, columns.zone, columns.resolution_s) == ("stamp", None, "UTC", 60.0)
    assert (columns.layout, columns.delimiter, columns.missing) == ("wide", "\t", ("", "n/a"))


def test_a_plant_cannot_be_changed_after_it_was_read(document):
    with pytest.raises(ValueError, match="frozen"):
        parse(document).line.key = "other"


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(PlantFileError, match=r"gone.toml: cannot be read: No such file"):
        read(tmp_path / "gone.toml")


@pytest.mark.parametrize("content", [b"[site\nkey = 1", b"\xff\xfe\x00"])
def test_a_file_that_is_not_toml_is_said(tmp_path, content):
    (tmp_path / "plant.toml").write_bytes(content)
    with pytest.raises(PlantFileError, match=r"plant.toml: is not TOML: "):
        read(tmp_path / "plant.toml")


def test_a_status_tag_may_tell_of_events(document, coater):
    assert [event.tag for event in parse(document).equipment[0].events][:2] == ["batch_number", "filter_changes_top"]
    coater["events"] = [
        {"tag": "batch", "kind": "batch_change"},
        {"tag": "batch_number", "kind": "new_batch"},
        {"tag": "batch_number", "kind": "batch_change", "side": "left"},
    ]
    kinds = (
        "'maintenance', 'pump_service', 'filter_change', 'batch_change', 'product_change', 'splice' or 'roll_change'"
    )
    assert mistakes(document) == [
        "equipment[0].events[0].tag: batch is not a tag of this equipment",
        f"equipment[0].events[1].kind: must be {kinds}",
        "equipment[0].events[2].side: must be '', 'top' or 'bottom'",
    ]


def test_what_is_counted_can_be_charted_and_nothing_else_refers_to_it(document, coater):
    coater["characteristics"].append({"key": "pinholes", "counted": "defects"})
    counted = parse(document).equipment[0].characteristics[1]
    assert counted.counted == "defects"
    coater["loop"][0]["cvs"][0] = "pinholes/1-top"
    coater["characteristics"].append({"key": "splices", "counted": "rolls"})
    assert mistakes(document) == [
        "equipment[0].characteristics[2].counted: must be '', 'defectives' or 'defects'",
        "equipment[0].loop[0].cvs[0]: pinholes/1-top is not a stream of this equipment",
    ]
