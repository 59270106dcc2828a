"""Roles given and ended over the API, by the same rule as in the administration."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from django.test import Client

from control.models import Grant
from tests.dashboards.conftest import PASSWORD
from tests.dashboards.test_api import post
from tests.factories import Plant

SignIn = Callable[[str], Client]
URL = "/api/v1/grants"


def asked(plant: Plant, **more: object) -> dict[str, object]:
    told = {"user": plant.person("outsider").username, "role": "operator", "on": f"line:{plant.line.key}"}
    return {**told, "reason": "starts today", **more}


def test_an_administrator_gives_a_role_and_ends_it(
    plant: Plant, signed_in: SignIn, with_password: Callable[[str], User]
) -> None:
    with_password("admin")
    admin, outsider = signed_in("admin"), signed_in("outsider")
    assert post(admin, URL, asked(plant)).json()["code"] == "signature_needed"
    given = post(admin, URL, asked(plant, password=PASSWORD))
    assert (given.status_code, given.json()["on"]) == (201, f"line:{plant.line.key}")
    assert outsider.get("/api/v1/me").json()["roles"] == {plant.line.key: ["operator"]}
    ending = f"{URL}/{given.json()['id']}/end"
    assert post(admin, ending, {"reason": "has left"}).status_code == 200
    assert outsider.get("/api/v1/me").json()["roles"] == {}
    assert post(admin, ending, {"reason": "has left"}).json()["code"] == "already_ended"


def test_roles_on_a_whole_site_are_not_an_administrator_of_a_lines_to_give(
    plant: Plant, signed_in: SignIn, with_password: Callable[[str], User]
) -> None:
    with_password("admin")
    told = asked(plant, password=PASSWORD, on=f"site:{plant.site.key}")
    assert post(signed_in("admin"), URL, told).status_code == 404
    assert post(signed_in("root"), URL, told | {"password": ""}).json()["code"] == "signature_needed"
    area = asked(plant, on=f"area:{plant.site.key}/{plant.area.key}")
    assert post(signed_in("root"), URL, area).json()["code"] == "signature_needed"


def test_others_neither_give_nor_see_roles(plant: Plant, signed_in: SignIn) -> None:
    for name, status in (("supervisor", 403), ("outsider", 404)):
        client = signed_in(name)
        assert client.get(URL).json() == []
        assert post(client, URL, asked(plant)).status_code == status
        assert post(client, f"{URL}/{Grant.objects.latest('pk').pk}/end", {"reason": "no"}).status_code == 404
