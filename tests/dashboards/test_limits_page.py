"""The engineer's page for limits: looking writes nothing, a draft is his alone, and somebody else puts it in force."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from control.core.types import Quality
from control.models import AuditEntry, Limits, Point, Recipe, Stream, Version
from control.queries import limits as queries
from tests.dashboards.conftest import equipped
from tests.factories import Plant, copied, make_recipe
from tests.running import shared

SignIn = Callable[[str], Client]
EVERY_S, N = 5, 600
PASSWORD = "right-enough-4711"
READS = ("supervisor", "engineer", "admin", "auditor")
DOES_NOT = ("viewer", "operator")


@pytest.fixture(scope="module")
def known(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Plant]:
    with shared(django_db_blocker):
        found = equipped()
        measured(found)
        yield found


@pytest.fixture
def plant(known: Plant, db: None) -> Plant:
    return deepcopy(known)


@pytest.fixture
def stream(plant: Plant) -> Stream:
    return plant.streams["loading/1-top"]


def measured(plant: Plant) -> None:
    """Fifty minutes of gauge values up to now, with one wild one."""
    start = timezone.now().replace(microsecond=0) - timedelta(seconds=EVERY_S * N)
    values = np.random.default_rng(11).normal(20.0, 0.05, N)
    values[100] = 21.5
    stream = plant.streams["loading/1-top"]
    copied(
        Point(
            equipment=plant.coater, seq=i + 1, at=start + timedelta(seconds=EVERY_S * i), known_at=start, stream=stream,
            by=1, roll=7, web_m=0.0, value=value, quality=Quality.GOOD, verdict=0, rules=0,
        )
        for i, value in enumerate(values)
    )  # fmt: skip


def at(stream: Stream, more: str = "") -> str:
    return f"/streams/{stream.pk}/limits/{more}"


def form_on(page: str) -> dict[str, list[str]]:
    """What the form that stores a draft would send."""
    part = page.split('class="card stack" method="post"')[1]
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', part):
        fields.setdefault(name, []).append(value.replace("&quot;", '"'))
    fields.pop("csrfmiddlewaretoken", None)
    return fields


def row_of(chart: str = "i_mr") -> Limits:
    """What the one draft there is says of a chart."""
    return next(row for row in Limits.of(Version.objects.get()) if row.chart == chart)


def decided(client: Client, version: Version, verb: str, **told: str) -> int:
    form = {"key": f"{verb}-{version.pk}", "seen": version.sha256, **told}
    return client.post(f"/versions/{version.pk}/decide/{verb}/", form).status_code


def put_in_force(plant: Plant, signed_in: SignIn, version: Version) -> None:
    """Given to review by the engineer and signed by the supervisor."""
    supervisor = plant.person("supervisor")
    supervisor.set_password(PASSWORD)
    supervisor.save()
    assert decided(signed_in("engineer"), version, "submit") == 302
    assert decided(signed_in("supervisor"), version, "approve", when="now", password=PASSWORD) == 302


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_shows_what_the_last_hours_would_give(
    plant: Plant, stream: Stream, signed_in: SignIn, language: str
) -> None:
    client = signed_in("engineer")
    client.cookies["django_language"] = language
    page = client.get(at(stream), headers={"accept-language": language})
    text = page.content.decode()
    assert page.status_code == 200
    for part in ('class="values"', 'class="curve"', 'class="bar-of"', 'class="suspect"', 'class="figure"'):
        assert part in text, part
    assert "21.50" in text  # the wild value is offered to be left out


def test_the_page_says_that_a_window_was_cut(
    plant: Plant, stream: Stream, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, words = signed_in("engineer"), "these are its newest 500."
    assert words not in client.get(at(stream)).content.decode()
    monkeypatch.setattr(queries, "MOST_VALUES", 500)
    assert words in client.get(at(stream)).content.decode()


def test_looking_writes_nothing(plant: Plant, stream: Stream, signed_in: SignIn) -> None:
    client = signed_in("engineer")
    for more in ("", "?method=pooled&rule_set=nelson&from=2026-01-01T00:00&to=2026-01-02T00:00", "?method=nonsense"):
        assert client.get(at(stream, more)).status_code == 200
    assert client.get(at(stream, "draft/")).status_code == 405
    assert (Version.objects.count(), AuditEntry.objects.count()) == (0, 0)


@pytest.mark.parametrize("name", READS)
def test_who_may_audit_reads_the_versions_and_only_the_engineer_finds_a_button(
    plant: Plant, stream: Stream, signed_in: SignIn, name: str
) -> None:
    page = signed_in(name).get(at(stream))
    assert page.status_code == 200
    assert ("data-writes" in page.content.decode()) == (name == "engineer")


@pytest.mark.parametrize("name", [*DOES_NOT, "supervisor", "admin", "auditor"])
def test_nobody_else_drafts_or_puts_in_force(plant: Plant, stream: Stream, signed_in: SignIn, name: str) -> None:
    form = form_on(signed_in("engineer").get(at(stream)).content.decode())
    assert signed_in("engineer").post(at(stream, "draft/"), {**form, "reason": "mine"}).status_code == 302
    client = signed_in(name)
    assert client.get(at(stream)).status_code == (403 if name in DOES_NOT else 200)
    assert client.post(at(stream, "draft/"), {**form, "reason": "x"}).status_code == 403
    version = Version.objects.get()
    assert decided(client, version, "submit") == 403
    assert decided(client, version, "discard") == 403
    version.refresh_from_db()
    assert version.state == "draft"


def test_for_an_outsider_there_is_no_such_stream(plant: Plant, stream: Stream, signed_in: SignIn) -> None:
    for name in ("outsider", "root"):
        assert signed_in(name).get(at(stream)).status_code == 404
        assert signed_in(name).post(at(stream, "draft/"), {}).status_code == 404


def test_from_the_window_to_the_draft_to_limits_in_force(plant: Plant, stream: Stream, signed_in: SignIn) -> None:
    client = signed_in("engineer")
    form = form_on(client.get(at(stream)).content.decode())
    answer = client.post(at(stream, "draft/"), {**form, "reason": "first window after the start"}, follow=True)
    text = answer.content.decode()
    assert "first window after the start" in text
    shares = re.search(r'<td class="n">[^<]+((<small>[^<]+ \d+ %</small>)+)</td>', text)
    assert shares
    assert sum(int(one) for one in re.findall(r"(\d+) %", shares.group(1))) == pytest.approx(100, abs=3)
    assert "Give it to review" in text
    assert not Limits.objects.exists()
    version = Version.objects.get()
    put_in_force(plant, signed_in, version)
    rows = Limits.objects.filter(state="active")
    assert {row.chart for row in rows} == {"i_mr", "ewma"}
    assert {row.activated_by for row in rows} == {plant.person("supervisor")}
    assert decided(signed_in("supervisor"), version, "approve", when="now", password=PASSWORD, key="again") == 409


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_review_shows_old_and_new_limits_in_the_readers_words(
    plant: Plant, stream: Stream, signed_in: SignIn, language: str
) -> None:
    client = signed_in("engineer")
    form = form_on(client.get(at(stream)).content.decode())
    client.post(at(stream, "draft/"), {**form, "reason": "first"})
    put_in_force(plant, signed_in, Version.objects.get())
    client.post(at(stream, "draft/"), {**form, "rule_set": "nelson", "reason": "stricter"})
    version = Version.objects.get(number=2)
    url, headers = f"/versions/{version.pk}/", {"accept-language": language}
    text = signed_in("supervisor").get(url, headers=headers).content.decode()
    words = {"en": ("judges by", "Nelson: all eight"), "ko": ("판정 기준", "규칙 세트")}[language]
    assert all(one in text for one in words)
    assert at(stream) in text
    assert at(stream) not in signed_in("viewer").get(url).content.decode()
    line = signed_in("supervisor").get(f"/lines/{plant.line.key}/versions/").content.decode()
    assert line.count(f"{stream}") > 2


def test_a_draft_that_nobody_wants_is_discarded_on_the_page(plant: Plant, stream: Stream, signed_in: SignIn) -> None:
    client = signed_in("engineer")
    client.post(at(stream, "draft/"), {**form_on(client.get(at(stream)).content.decode()), "reason": "first"})
    page = client.get(at(stream)).content.decode()
    form = re.search(r'action="(/versions/\d+/decide/discard/)">.*?name="key" value="(\w+)"', page, re.DOTALL)
    assert form
    action, key = form.groups()
    assert client.post(action, {"key": key}).status_code == 302
    assert Version.objects.get().state == "rejected"
    assert "Give it to review" not in client.get(at(stream)).content.decode()


def test_a_ticked_value_is_left_out_with_its_reason_all_the_way(
    plant: Plant, stream: Stream, signed_in: SignIn
) -> None:
    client = signed_in("engineer")
    page = client.get(at(stream)).content.decode()
    picks = re.findall(r'name="pick" value="([^"]+)"', page)
    fields = {"from": "", "to": "", **{key: one[0] for key, one in form_on(page).items()}}
    looked = client.get(at(stream), {**fields, "pick": picks, "why": "gauge cleaned"}).content.decode()
    assert "gauge cleaned" in looked
    client.post(at(stream, "draft/"), {**form_on(looked), "reason": "without the cleaning"})
    row = row_of()
    assert row.n == N - len(picks)
    assert {one["reason"] for one in row.excluded} == {"gauge cleaned"}
    assert row.sigma == pytest.approx(0.05, rel=0.15)


def test_ticking_without_a_reason_is_answered_with_words(plant: Plant, stream: Stream, signed_in: SignIn) -> None:
    client = signed_in("engineer")
    page = client.get(at(stream)).content.decode()
    fields = {key: one[0] for key, one in form_on(page).items()}
    pick = re.findall(r'name="pick" value="([^"]+)"', page)[0]
    assert "Say why" in client.get(at(stream), {**fields, "pick": pick, "why": " "}).content.decode()


@pytest.mark.parametrize(
    "told",
    [
        {"method": "moving_range", "rule_set": "western_electric", "from": "yesterday", "to": "now"},
        {"method": "moving_range", "rule_set": "western_electric", "from": "2026-02-01", "to": "2026-01-01"},
        {"method": "by_eye", "rule_set": "western_electric", "from": "2026-01-01T00:00", "to": "2026-01-02T00:00"},
        {"method": "range", "rule_set": "mine", "from": "2026-01-01T00:00", "to": "2026-01-02T00:00"},
        {"method": "range", "rule_set": "aiag", "from": "2026-01-01T00:00", "to": "2026-01-02T00:00"},
        {"method": "range", "rule_set": "aiag", "from": "2026-01-01T00:00", "to": "2026-01-02T00:00", "without": "a~b"},
    ],
)  # fmt: skip
def test_a_choice_that_gives_nothing_is_answered_with_words(
    plant: Plant, stream: Stream, signed_in: SignIn, told: dict[str, str]
) -> None:
    client = signed_in("engineer")
    page = client.get(at(stream), told)
    assert page.status_code == 200
    assert 'class="message warning"' in page.content.decode()
    assert client.post(at(stream, "draft/"), {**told, "reason": "x"}).status_code == 422
    assert not Version.objects.exists()


def test_a_stream_that_was_never_measured_has_a_page_too(plant: Plant, signed_in: SignIn) -> None:
    page = signed_in("engineer").get(at(plant.streams["loading/2-top"]))
    assert page.status_code == 200
    assert "Nothing has been measured" in page.content.decode()


def test_a_draft_without_its_csrf_token_is_refused(plant: Plant, stream: Stream) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(plant.person("engineer"))
    assert client.post(at(stream, "draft/"), {}).status_code == 403


def test_the_lane_says_what_it_is_capable_of_and_of_how_many_values(
    plant: Plant, stream: Stream, signed_in: SignIn
) -> None:
    viewer, url = signed_in("viewer"), f"/lanes/{stream.lane_id}/capability/"
    text = viewer.get(url, {"span": "3600"}).content.decode()
    for name in ("Cp", "Cpk", "Pp", "Ppk", "Cpm", str(N)):
        assert name in text, name
    assert "/limits/" not in text
    assert "/limits/" in signed_in("engineer").get(url).content.decode()
    empty = viewer.get(url, {"from": "2020-01-01T00:00:00Z", "to": "2020-01-01T01:00:00Z"}).content.decode()
    assert "Too little was measured" in empty
    assert viewer.get(url, {"from": "x", "to": "y", "span": "²"}).status_code == 200
    assert signed_in("outsider").get(url).status_code == 404


def test_the_capability_is_that_of_the_values_in_the_window(plant: Plant, stream: Stream, signed_in: SignIn) -> None:
    """Cp of +-0.6 around 20 at a sigma of 0.05 is 4; the wild value spoils Pp and hardly Cp."""
    Point.objects.filter(value__gt=21).delete()
    text = signed_in("viewer").get(f"/lanes/{stream.lane_id}/capability/", {"span": "3600"}).content.decode()
    values = [float(one) for one in re.findall(r"<b>(\d+\.\d+)</b>", text)]
    assert values[:5] == pytest.approx([4.0] * 5, rel=0.1)


def test_of_a_replayed_file_the_capability_is_that_of_its_last_values(
    plant: Plant, stream: Stream, signed_in: SignIn
) -> None:
    Point.objects.update(at=F("at") - timedelta(days=2))
    text = signed_in("viewer").get(f"/lanes/{stream.lane_id}/capability/", {"span": "3600"}).content.decode()
    assert f'<td class="n">{N}<small>' in text


def test_the_page_of_a_lane_does_not_wait_for_its_capability(plant: Plant, stream: Stream, signed_in: SignIn) -> None:
    client, url = signed_in("viewer"), f"/lanes/{stream.lane_id}/"
    with CaptureQueriesContext(connection) as asked:
        page = client.get(url).content.decode()
    assert not any("stddev_samp" in one["sql"] for one in asked)
    assert f'src="{url}capability/"' in page


def test_the_capability_is_that_of_a_day_at_most_and_says_so(plant: Plant, stream: Stream, signed_in: SignIn) -> None:
    end = timezone.now()
    Point.objects.filter(seq__lte=N // 2).update(at=end - timedelta(hours=25))
    told = {"from": (end - timedelta(days=5)).isoformat(), "to": end.isoformat()}
    text = signed_in("viewer").get(f"/lanes/{stream.lane_id}/capability/", told).content.decode()
    assert f'<td class="n">{N // 2}<small>' in text
    assert "24 hours at most" in text


def test_the_api_tells_the_versions_to_those_who_may_audit(plant: Plant, stream: Stream, signed_in: SignIn) -> None:
    client, url = signed_in("engineer"), f"/api/v1/streams/{stream.pk}/limits"
    client.post(at(stream, "draft/"), {**form_on(client.get(at(stream)).content.decode()), "reason": "first"})
    rows = signed_in("auditor").get(url).json()
    assert [(row["number"], row["chart"], row["state"]) for row in rows] == [(1, "i_mr", "draft"), (1, "ewma", "draft")]
    assert rows[0]["created_by"] == plant.person("engineer").username
    assert rows[0]["version"] == Version.objects.get().pk
    assert rows[0]["false_alarms_per_shift"] > 0
    assert "beyond_3_sigma" in rows[0]["rules"]
    assert [signed_in(name).get(url).status_code for name in ("viewer", "operator", "outsider")] == [403, 403, 404]


def over_the_api(client: Client, stream: Stream, key: str = "k", **told: object) -> tuple[int, dict[str, object]]:
    end = timezone.now()
    asked = {"from": (end - timedelta(hours=1)).isoformat(), "to": end.isoformat(), "reason": "by script", **told}
    answer = client.post(
        f"/api/v1/streams/{stream.pk}/limits", json.dumps(asked), "application/json", headers={"Idempotency-Key": key}
    )
    return answer.status_code, answer.json()


def test_limits_are_drafted_and_reviewed_over_the_api(plant: Plant, stream: Stream, signed_in: SignIn) -> None:
    plant.person("supervisor").set_password(PASSWORD)
    plant.person("supervisor").save()
    engineer, supervisor = signed_in("engineer"), signed_in("supervisor")
    wild = Point.objects.get(value__gt=21).at.isoformat()
    told = {"charts": ["cusum"], "rule_set": "nelson", "lengths": {"run": 8},
            "excluded": [{"from": wild, "to": wild, "reason": "gauge cleaned"}]}  # fmt: skip
    status, draft = over_the_api(engineer, stream, **told)
    assert (status, draft["kind"], draft["state"], draft["number"]) == (200, "limits", "draft", 1)
    assert (row_of().n, row_of().parameters["run"], row_of("cusum").method) == (N - 1, 8, "moving_range")
    one = f"/api/v1/versions/{draft['id']}"
    sent = {"content_type": "application/json"}
    assert engineer.post(f"{one}/submit", "{}", headers={"Idempotency-Key": "s"}, **sent).status_code == 200
    detail = supervisor.get(one).json()
    assert {row["path"] for row in detail["difference"]} > {"i_mr.mean", "i_mr.sigma", "cusum.rules", "excluded"}
    asked = {"seen": detail["sha256"], "when": "now", "password": PASSWORD}
    done = supervisor.post(f"{one}/approve", json.dumps(asked), headers={"Idempotency-Key": "a"}, **sent)
    assert (done.status_code, done.json()["state"]) == (200, "active")
    assert set(Limits.objects.values_list("chart", "state")) == {("i_mr", "active"), ("cusum", "active")}


def test_the_same_request_over_the_api_drafts_once(plant: Plant, stream: Stream, signed_in: SignIn) -> None:
    client, end = signed_in("engineer"), timezone.now()
    told = {"from": (end - timedelta(hours=2)).isoformat(), "to": end.isoformat()}
    first = over_the_api(client, stream, **told)
    assert first[0] == 200
    Point.objects.all().delete()  # nothing is found anew
    assert over_the_api(client, stream, **told) == first
    assert Version.objects.count() == 1


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"from": "2026-01-02T00:00:00"}, "no_offset"),
        ({"from": "2026-01-01T00:00:00Z"}, "no_limits"),
        ({"charts": ["pie"]}, "no_limits"),
        ({"basis": "pie"}, "no_limits"),
        ({"lengths": {"run": 2}}, "no_limits"),
        ({"excluded": [{"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z", "reason": "x"}]}, "no_limits"),
        ({"method": "by_eye"}, "invalid"),
        ({"sigma": 1.0}, "invalid"),
        ({"reason": " "}, "reason_needed"),
    ],
)
def test_what_gives_no_limits_is_refused_over_the_api(
    plant: Plant, stream: Stream, signed_in: SignIn, told: dict[str, object], code: str
) -> None:
    status, refused = over_the_api(signed_in("engineer"), stream, **told)
    assert (status, refused["code"]) == (422, code)
    assert not Version.objects.exists()


def test_the_administration_shows_the_rows_and_leads_to_the_page(
    plant: Plant, stream: Stream, signed_in: SignIn
) -> None:
    client, root = signed_in("engineer"), signed_in("root")
    client.post(at(stream, "draft/"), {**form_on(client.get(at(stream)).content.decode()), "reason": "first"})
    put_in_force(plant, signed_in, Version.objects.get())
    assert at(stream) in root.get("/admin/control/limits/").content.decode()
    row = f"/admin/control/limits/{Limits.objects.get(chart='i_mr').pk}/change/"
    assert at(stream) in root.get(row).content.decode()
    assert root.post(row, {"mean": 1}).status_code == 403


def test_an_engineer_sets_the_lengths_of_runs_and_sees_them_with_the_version(
    plant: Plant, stream: Stream, signed_in: SignIn
) -> None:
    client = signed_in("engineer")
    fields = {key: one[0] for key, one in form_on(client.get(at(stream)).content.decode()).items()}
    fields |= {"rule_set": "nelson_1_2_3", "run": "7", "trend": "", "mixture": "5"}
    looked = client.get(at(stream), fields).content.decode()
    assert re.search(r'name="run"[^>]+placeholder="9" value="7"', looked)
    assert re.search(r'name="trend"[^>]+placeholder="6">', looked)
    assert 'name="mixture"' not in looked
    text = client.post(at(stream, "draft/"), {**form_on(looked), "reason": "as we do it"}, follow=True).content.decode()
    assert "Run on one side, points: 7" in text
    row = row_of()
    assert (row.parameters["run"], row.parameters["trend"], row.parameters["mixture"]) == (7, 6, 8)


def test_an_engineer_sets_zones_and_switches_rules_off_and_sees_what_that_costs_before(
    plant: Plant, stream: Stream, signed_in: SignIn
) -> None:
    client = signed_in("engineer")
    fields = {key: one[0] for key, one in form_on(client.get(at(stream)).content.decode()).items()}
    fields |= {
        "rule_set": "nelson_1_2_3",
        "charts": "cusum",
        "beyond": "2.5",
        "h": "4",
        "head_start": "2",
        "off": "trend",
    }
    looked = client.get(at(stream), fields).content.decode()
    assert re.search(r'name="h" min="1.0" max="20.0" step="any" placeholder="5.0" value="4.0"', looked)
    assert re.search(r'name="off" value="trend" checked', looked)
    runs = looked.split("How many values each runs")[1].split("</table>")[0]
    told = {
        key: re.findall(r'class="n">([^<]+)<', row) for key, row in re.findall(r'row">([^<]+)</th>(.*?)</tr>', runs)
    }
    assert told["Beyond a control limit"][0] == "81"
    assert told["CUSUM"] == ["149", "20", "5.3", "2.0"]
    text = client.post(at(stream, "draft/"), {**form_on(looked), "reason": "as we do it"}, follow=True).content.decode()
    for words in ("Control limits at, sigma: 2.5", "Rules switched off: Trend", "(FIR), sigma: 2"):
        assert words in text
    row = row_of("cusum")
    assert row.parameters == {"k": 0.5, "h": 4.0, "head_start": 2.0} | {"lag_1": row.parameters["lag_1"]}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"beyond": "9"}, "Control limits at, sigma: from 1.5 to 6."),
        ({"beyond": "３"}, "Control limits at, sigma: from 1.5 to 6."),
        ({"beyond": "nan"}, "Control limits at, sigma: from 1.5 to 6."),
        ({"charts": "ewma", "weight": "0"}, "from 0.05 to 1."),
        ({"charts": "cusum", "h": "2", "head_start": "2"}, "A head start lies below h."),
        ({"rule_set": "beyond_3_sigma", "off": "beyond_3_sigma"}, "Some rule of the set has to hold."),
    ],
)
def test_figures_that_cannot_be_are_answered_with_words(
    plant: Plant, stream: Stream, signed_in: SignIn, told: dict[str, str], words: str
) -> None:
    client = signed_in("engineer")
    fields = {key: one[0] for key, one in form_on(client.get(at(stream)).content.decode()).items()}
    told = {**fields, "rule_set": "western_electric", **told}
    assert words in client.get(at(stream), told).content.decode()
    assert client.post(at(stream, "draft/"), {**told, "reason": "x"}).status_code == 422


@pytest.mark.parametrize("points", ["2", "22", "8.5", "-8", "eight", "９", "9" * 5000])
def test_a_run_that_cannot_be_is_answered_with_words(
    plant: Plant, stream: Stream, signed_in: SignIn, points: str
) -> None:
    client = signed_in("engineer")
    fields = {key: one[0] for key, one in form_on(client.get(at(stream)).content.decode()).items()}
    told = {**fields, "rule_set": "nelson", "run": points}
    assert "A run has 3 to 21 points." in client.get(at(stream), told).content.decode()
    assert client.post(at(stream, "draft/"), {**told, "reason": "x"}).status_code == 422


@pytest.mark.parametrize("basis", ["xbar_r", "xbar_s", "three_way"])
def test_an_engineer_charts_groups_and_sees_their_means_before_anything_is_stored(
    plant: Plant, stream: Stream, signed_in: SignIn, basis: str
) -> None:
    client = signed_in("engineer")
    fields = {key: one[0] for key, one in form_on(client.get(at(stream)).content.decode()).items()}
    looked = client.get(at(stream), {**fields, "basis": basis, "group": "6"}).content.decode()
    assert "The groups the rules look at" in looked
    assert looked.count('class="values"') == 2
    text = client.post(at(stream, "draft/"), {**form_on(looked), "reason": "by groups"}, follow=True).content.decode()
    assert "6 values a group" in text
    assert "the specification alone" in text
    assert row_of(basis).parameters["size"] == 6


@pytest.mark.parametrize("told", [{"group": "1"}, {"group": "26"}, {"group": "x"}, {"basis": "pie"}, {"basis": "ewma"}])
def test_groups_that_cannot_be_are_answered_with_words(
    plant: Plant, stream: Stream, signed_in: SignIn, told: dict[str, str]
) -> None:
    client = signed_in("engineer")
    fields = {key: one[0] for key, one in form_on(client.get(at(stream)).content.decode()).items()}
    assert 'class="message warning"' in client.get(at(stream), {**fields, **told}).content.decode()
    assert client.post(at(stream, "draft/"), {**fields, **told, "reason": "x"}).status_code == 422


def test_the_lines_of_a_short_run_step_with_the_recipe_on_the_charts_of_the_lane(
    plant: Plant, stream: Stream, signed_in: SignIn
) -> None:
    client = signed_in("engineer")
    fields = {key: one[0] for key, one in form_on(client.get(at(stream)).content.decode()).items()}
    looked = client.get(at(stream), {**fields, "basis": "deviation"}).content.decode()
    client.post(at(stream, "draft/"), {**form_on(looked), "reason": "two products"})
    put_in_force(plant, signed_in, Version.objects.get())
    now = timezone.now()
    Limits.objects.update(effective_from=now - timedelta(minutes=30))
    make_recipe(plant.line, number=2, state="superseded")
    other = Recipe.objects.get(number=2)
    specs = {**other.content["specs"], "coater.loading": {"lower": 24.0, "target": 25.0, "upper": 26.0}}
    other.content, other.effective_from = {**other.content, "specs": specs}, now - timedelta(minutes=10)
    other.save()
    told = {"from": (now - timedelta(hours=1)).isoformat(), "to": now.isoformat()}
    frame = client.get(f"/api/v1/lanes/{stream.lane_id}/frame", told).json()
    steps = next(one["limits"] for one in frame["streams"] if one["id"] == stream.pk)
    assert [round(one["mean"]) for one in steps] == [20, 25]
    assert steps[0]["end"] == steps[1]["start"]
    assert client.get(at(stream), {**fields, "basis": "deviation", "charts": "t2"}).status_code == 200
    assert (
        client.post(
            at(stream, "draft/"), {**fields, "basis": "standardised", "charts": "mewma", "reason": "x"}
        ).status_code
        == 422
    )
