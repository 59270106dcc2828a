"""Whatever is put in force on a line is drafted by one person, reviewed by another, and holds from a moment on."""

import json
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from control.actions import figures, imports, versions
from control.actions.errors import Conflict, Invalid, NoPermission, NotFound, Refused
from control.actions.signing import Hand
from control.core.bounded import content
from control.core.figures import Figures, Shares
from control.models import AuditEntry, Roll, Signature, Version
from tests.factories import NOW, Plant, hand, plant

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def line(db) -> Plant:
    return plant()


def drafted(line: Plant, kind: str = "figures", by: str = "engineer", now=NOW, **told) -> Version:
    asked = {"actor": line.person(by), "now": now, "reason": "Slower shift"}
    return versions.draft(kind, line.line, line.line.pk, told or {"veto_s": 50.0}, **asked)


def submitted(line: Plant, kind: str = "figures", now=NOW, **told) -> Version:
    version = drafted(line, kind, now=now, **told)
    return versions.submit(version.pk, actor=line.person("engineer"), now=now)


def approved(line: Plant, then=None, now=NOW, kind: str = "figures", **told) -> Version:
    version = submitted(line, kind, now=now, **told)
    return versions.approve(
        version.pk, seen=version.sha256, by=hand(line.person("supervisor"), now), now=now, then=then
    )


def code_of(refused) -> str:
    return refused.value.code


# --- from draft to force ----------------------------------------------------------------------------------------------
def test_a_draft_binds_nobody_and_what_is_put_in_force_binds_at_once(line):
    version = submitted(line, veto_s=50.0)
    assert figures.of(line.line.pk) == Figures()
    versions.approve(version.pk, seen=version.sha256, by=hand(line.person("supervisor")), now=NOW)
    assert figures.of(line.line.pk) == Figures()
    versions.put_in_force(version.pk, seen=version.sha256, by=hand(line.person("supervisor2")), now=NOW)
    assert figures.of(line.line.pk) == Figures(veto_s=50.0)


def test_the_figures_of_one_line_are_not_those_of_another(line):
    approved(line, then="now", veto_s=50.0)
    assert figures.of(plant("anode-1", area=line.area).line.pk) == Figures()


def test_one_signature_approves_and_puts_in_force(line):
    version = approved(line, then="now")
    assert version.state == "active"
    (signed,) = Signature.objects.filter(object_type="version", object_id=str(version.pk))
    assert (signed.user, signed.meaning, signed.method) == (
        line.person("supervisor"), "approve_version", "password",
    )  # fmt: skip


def test_nothing_is_approved_without_a_password(line):
    version = submitted(line)
    with pytest.raises(NoPermission) as refused:
        versions.approve(version.pk, seen=version.sha256, by=Hand(line.person("supervisor")), now=NOW)
    assert code_of(refused) == "signature_needed"
    assert Version.objects.get().state == "in_review"


def test_a_draft_is_whole_and_says_what_it_rests_on(line):
    first = approved(line, then="now", veto_s=50.0)
    second = drafted(line, doubts=3)
    assert second.content == content(Figures(veto_s=50.0, doubts=3))
    assert (second.number, second.base) == (2, first)


def test_what_changes_nothing_is_no_draft(line):
    with pytest.raises(Conflict) as refused:
        drafted(line, veto_s=30.0)
    assert code_of(refused) == "nothing_changed"


def test_every_step_has_one_audit_row(line):
    version = approved(line, then="now")
    told = AuditEntry.objects.filter(object_type="version", object_id=str(version.pk)).order_by("number")
    assert list(told.values_list("action", "actor_name")) == [
        ("version.draft", "engineer@cathode-1"),
        ("version.submit", "engineer@cathode-1"),
        ("version.approve", "supervisor@cathode-1"),
        ("version.activate", "supervisor@cathode-1"),
    ]


# --- who may ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["operator", "supervisor", "viewer", "admin", "auditor", "outsider", "root"])
def test_only_an_engineer_drafts(line, name):
    with pytest.raises(NoPermission):
        drafted(line, by=name)
    assert not Version.objects.exists()
    assert AuditEntry.objects.get().action == "version.draft.refused"


@pytest.mark.parametrize("name", ["operator", "engineer", "viewer", "admin", "auditor", "outsider", "root"])
def test_only_a_supervisor_reviews_figures_and_authority(line, name):
    version = submitted(line)
    with pytest.raises(NoPermission):
        versions.approve(version.pk, seen=version.sha256, by=hand(line.person(name)), now=NOW, then="now")
    with pytest.raises(NoPermission):
        versions.reject(version.pk, actor=line.person(name), now=NOW, reason="No")
    assert Version.objects.get().state == "in_review"


def test_the_author_approves_nothing_of_his_own(line):
    version = submitted(line)
    line.person("engineer").grants.create(role="supervisor", line=line.line, valid_from=NOW - MINUTE)
    with pytest.raises(NoPermission) as refused:
        versions.approve(version.pk, seen=version.sha256, by=hand(line.person("engineer")), now=NOW)
    assert code_of(refused) == "own_version"
    versions.approve(version.pk, seen=version.sha256, by=hand(line.person("supervisor")), now=NOW)
    with pytest.raises(NoPermission) as refused:
        versions.put_in_force(version.pk, seen=version.sha256, by=hand(line.person("engineer")), now=NOW)
    assert code_of(refused) == "own_version"


def test_the_author_approves_nothing_of_his_own_by_sql(line):
    version = submitted(line)
    with pytest.raises(IntegrityError, match="version_approved_by_another"), transaction.atomic():
        Version.objects.filter(pk=version.pk).update(approved_by=line.person("engineer"))


def test_a_draft_is_changed_by_its_author_alone_as_he_saw_it(line):
    version = drafted(line)
    other = line.person("supervisor2")
    other.grants.create(role="engineer", line=line.line, valid_from=NOW - MINUTE)
    asked = {"now": NOW, "reason": "Less"}
    with pytest.raises(NoPermission) as refused:
        versions.edit(version.pk, {"veto_s": 40.0}, seen=version.sha256, actor=other, **asked)
    assert code_of(refused) == "not_your_draft"
    with pytest.raises(Conflict) as refused:
        versions.edit(version.pk, {"veto_s": 40.0}, seen="0" * 64, actor=line.person("engineer"), **asked)
    assert code_of(refused) == "overtaken"
    versions.edit(version.pk, {"veto_s": 40.0}, seen=version.sha256, actor=line.person("engineer"), **asked)
    assert Version.objects.get().content["veto_s"] == 40.0


def test_what_is_not_there_is_not_found(line):
    with pytest.raises(NotFound):
        versions.submit(4711, actor=line.person("engineer"), now=NOW)
    for kind, scope in (("figures", line.line.pk + 1), ("figurines", line.line.pk)):
        with pytest.raises(NotFound):
            versions.draft(kind, line.line, scope, {}, actor=line.person("engineer"), now=NOW, reason="x")


# --- the database -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("column", ["content = '{}'", "sha256 = ''", "author_id = NULL", "source = 'install'"])
def test_what_is_under_review_cannot_be_altered_by_sql(line, column):
    submitted(line)
    with pytest.raises(DatabaseError, match="is no draft"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE control_version SET " + column)  # noqa: S608 - a column of the list above


def test_one_is_active_and_one_scheduled_whoever_writes(line):
    approved(line, then="now", veto_s=50.0)
    second = approved(line, veto_s=60.0)
    with pytest.raises(IntegrityError, match="version_one_active"), transaction.atomic():
        Version.objects.filter(pk=second.pk).update(state="active", effective_from=NOW)
    Version.objects.filter(pk=second.pk).update(state="scheduled")
    third = approved(line, veto_s=55.0)
    with pytest.raises(IntegrityError, match="version_one_scheduled"), transaction.atomic():
        Version.objects.filter(pk=third.pk).update(state="scheduled")


def test_nothing_is_in_force_unapproved_whoever_writes(line):
    version = submitted(line)
    with pytest.raises(IntegrityError, match="version_approved_before_in_force"), transaction.atomic():
        Version.objects.filter(pk=version.pk).update(state="active", effective_from=NOW)


# --- there and back ---------------------------------------------------------------------------------------------------
def test_a_version_sent_back_is_changed_and_reviewed_anew(line):
    version = approved(line)
    versions.rework(version.pk, actor=line.person("supervisor"), now=NOW, reason="Too slow")
    version = Version.objects.get()
    assert (version.state, version.approved_by) == ("draft", None)
    told = {"actor": line.person("engineer"), "now": NOW}
    versions.edit(version.pk, {"veto_s": 40.0}, seen=version.sha256, reason="Faster", **told)
    version = versions.submit(version.pk, **told)
    versions.approve(version.pk, seen=version.sha256, by=hand(line.person("supervisor")), now=NOW, then="now")
    assert figures.of(line.line.pk).veto_s == 40.0


def test_an_author_takes_back_what_nobody_has_looked_at(line):
    version = submitted(line)
    versions.rework(version.pk, actor=line.person("engineer"), now=NOW, reason="Forgot something")
    versions.discard(version.pk, actor=line.person("engineer"), now=NOW)
    assert Version.objects.get().state == "rejected"


def test_what_was_rejected_stays_rejected(line):
    version = submitted(line)
    versions.reject(version.pk, actor=line.person("supervisor"), now=NOW, reason="No")
    with pytest.raises(Conflict) as refused:
        versions.approve(version.pk, seen=version.sha256, by=hand(line.person("supervisor")), now=NOW)
    assert code_of(refused) == "not_possible"
    assert refused.value.difference["state"] == "rejected"


def test_what_left_force_can_be_retired_and_read(line):
    first = approved(line, then="now", veto_s=50.0)
    approved(line, then="now", now=NOW + MINUTE, veto_s=60.0)
    versions.retire(first.pk, actor=line.person("supervisor"), now=NOW + MINUTE, reason="Old")
    assert versions.at("figures", line.line.pk, NOW + SECOND) == first


def test_yesterdays_figures_are_still_known(line):
    approved(line, then="now", veto_s=50.0)
    approved(line, then="now", now=NOW + MINUTE, veto_s=60.0)
    scope = line.line.pk
    assert versions.at("figures", scope, NOW - SECOND) is None
    told = [versions.at("figures", scope, NOW + part * MINUTE) for part in (0, 0.99, 1, 2)]
    assert [version.content["veto_s"] for version in told] == [50.0, 50.0, 60.0, 60.0]


def test_a_version_drafted_from_what_is_no_longer_in_force_is_looked_at_again(line):
    early = submitted(line, veto_s=50.0)
    approved(line, then="now", doubts=3)
    with pytest.raises(Conflict) as refused:
        versions.approve(early.pk, seen=early.sha256, by=hand(line.person("supervisor")), now=NOW, then="now")
    assert code_of(refused) == "base_changed"
    assert refused.value.difference == {"version": {"seen": None, "is": "figures v2"}}


# --- later ------------------------------------------------------------------------------------------------------------
def test_a_version_takes_effect_with_the_next_lot_and_not_before(line):
    approved(line, then="lot", veto_s=50.0)
    versions.activate_due(NOW + MINUTE)
    assert figures.of(line.line.pk).veto_s == 30.0
    Roll.objects.create(equipment=line.coater, number=8, recipe=line.recipe, started_at=NOW + MINUTE)
    versions.activate_due(NOW + MINUTE + SECOND)
    (version,) = Version.objects.all()
    assert (version.state, version.effective_from) == ("active", NOW + MINUTE + SECOND)


def test_a_version_takes_effect_at_its_time(line):
    approved(line, then=NOW + MINUTE, veto_s=50.0)
    versions.activate_due(NOW + MINUTE - SECOND)
    assert figures.of(line.line.pk).veto_s == 30.0
    versions.activate_due(NOW + MINUTE)
    assert figures.of(line.line.pk).veto_s == 50.0


def test_a_time_that_has_passed_is_refused(line):
    with pytest.raises(Invalid) as refused:
        approved(line, then=NOW)
    assert code_of(refused) == "not_ahead"
    assert Version.objects.get().state == "in_review"


def test_a_version_can_be_recalled_before_its_time(line):
    version = approved(line, then=NOW + MINUTE, veto_s=50.0)
    versions.recall(version.pk, actor=line.person("supervisor"), now=NOW, reason="Not yet")
    versions.activate_due(NOW + MINUTE)
    version.refresh_from_db()
    assert (version.state, version.due_at, version.waits_for) == ("approved", None, "")
    assert figures.of(line.line.pk).veto_s == 30.0


def test_only_one_of_a_scope_waits_for_its_time(line):
    approved(line, then=NOW + MINUTE, veto_s=50.0)
    with pytest.raises(Conflict) as refused:
        approved(line, then="lot", veto_s=60.0)
    assert code_of(refused) == "another_version"


def test_a_version_that_waited_while_another_came_into_force_waits_for_a_person(line):
    waiting = approved(line, then=NOW + MINUTE, veto_s=50.0)
    approved(line, then="now", doubts=3)
    versions.activate_due(NOW + MINUTE)
    waiting.refresh_from_db()
    assert waiting.state == "approved"
    assert figures.of(line.line.pk) == Figures(doubts=3)
    row = AuditEntry.objects.get(action="version.recall")
    assert (row.actor_name, row.reason) == ("versions", "base_changed")


# --- what a line is set up with ---------------------------------------------------------------------------------------
def test_a_first_version_is_installed_and_a_second_is_not(line):
    told = {"actor": "set up", "now": NOW}
    versions.install("authority", line.line, line.line.pk, content(Shares(operator_move=0.8)), **told)
    assert figures.table(line.line.pk).operator.move == 0.8
    with pytest.raises(Conflict) as refused:
        versions.install("authority", line.line, line.line.pk, content(Shares()), **told)
    assert code_of(refused) == "in_force"


# --- reviews and files ------------------------------------------------------------------------------------------------
def test_a_review_shows_what_differs_from_what_is_in_force(line):
    approved(line, then="now", veto_s=50.0)
    (row,) = versions.difference(submitted(line, veto_s=40.0))
    assert (row.path, row.old, row.new, row.change, row.percent) == ("veto_s", 50.0, 40.0, -10.0, -20.0)


def test_a_draft_with_faults_is_refused_with_all_of_them(line):
    with pytest.raises(Invalid) as refused:
        drafted(line, veto_s=5, doubts=0, veto=1)
    assert {fault["path"]: fault["code"] for fault in refused.value.difference["faults"]} == {
        "veto_s": "below", "doubts": "below", "veto": "unknown",
    }  # fmt: skip


def brought(line: Plant, data: str | bytes, media="csv", kind="figures") -> Version:
    asked = {"actor": line.person("engineer"), "now": NOW, "reason": "From the sister plant"}
    data = data.encode() if isinstance(data, str) else data
    return imports.imported(kind, line.line, line.line.pk, data, media, **asked)


def test_csv_and_json_of_the_same_content_give_the_same_draft(line):
    told = content(Figures(veto_s=50.0, doubts=3))
    rows = "\n".join(f"{path},{value}" for path, value in imports.exported(told))
    by_csv = brought(line, f"path,value\n{rows}\n")
    by_json = brought(line, json.dumps(told), "json")
    assert by_csv.content == by_json.content == told
    assert by_csv.sha256 == by_json.sha256
    assert (by_csv.state, by_csv.source) == ("draft", "import")


def test_an_import_with_forty_faults_stores_nothing_and_names_forty(line):
    lines = "".join(f"nothing_{number},1\n" for number in range(38)) + "veto_s,soon\ndoubts,0\n"
    with pytest.raises(Invalid) as refused:
        brought(line, lines)
    assert code_of(refused) == "not_valid"
    assert len(refused.value.difference["faults"]) == 40
    assert not Version.objects.exists()
    assert AuditEntry.objects.get().action == "version.import.refused"


@pytest.mark.parametrize(
    ("data", "media", "codes"),
    [
        ("veto_s,50\nveto_s,40\ndoubts\n", "csv", {"veto_s": "twice", "doubts": "not_two_cells"}),
        ('"veto_s,50', "csv", {"": "not_csv"}),
        (b"\xff\xfe", "csv", {"": "not_utf8"}),
        ("veto_s,4\0", "csv", {"": "not_utf8"}),
        (b"x" * 1_000_001, "csv", {"": "too_long"}),
        ("[1]", "json", {"": "not_json"}),
        ("{", "json", {"": "not_json"}),
        ("[" * 200_000, "json", {"": "not_json"}),
        ('{"veto_s": NaN}', "json", {"veto_s": "not_a_number"}),
    ],
)
def test_a_file_that_cannot_be_read_says_why(line, data, media, codes):
    with pytest.raises(Refused) as refused:
        brought(line, data, media)
    assert {fault["path"]: fault["code"] for fault in refused.value.difference["faults"]} == codes
    assert not Version.objects.exists()
