"""The demo's accounts: one for every role, all on the demo's site and all with the same password."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q

from control.actions import audit
from control.models import Grant, Site

SYSTEM = "seed_demo"
ROLES = (Grant.Role.OPERATOR, Grant.Role.SUPERVISOR, Grant.Role.ENGINEER, Grant.Role.ADMIN, Grant.Role.VIEWER)
ADMINISTRATORS = "Administrators"
READERS = "Configuration readers"
KEPT_BY_ADMINS = ("user", "grant", "reasoncode", "causecode", "site", "area", "line", "product")


class People(NamedTuple):
    """One account a role; an account is called as its role is."""

    operator: User
    supervisor: User
    engineer: User
    admin: User
    viewer: User


def make(site: Site, password: str, *, now: datetime) -> People:
    """Make every account that is missing, with its role on the whole site from ``now``."""
    hashed = make_password(password)  # once: it takes as long as a page, and it is one password
    people = People(*(_account(site, role, hashed, now) for role in ROLES))
    _may_enter_admin(people.admin, ADMINISTRATORS, _of_administrators())
    _may_enter_admin(people.engineer, READERS, Q(codename__startswith="view_", content_type__app_label="control"))
    return people


def welcome(site: Site, *, now: datetime) -> None:
    """A site that somebody brings into a demo is the business of its accounts too: who replays a file wants to look."""
    with audit.atomic():
        for user in User.objects.filter(username__in=ROLES, is_active=True):
            _role(user, site, user.username, now)


def _account(site: Site, role: str, hashed: str, now: datetime) -> User:
    user = User.objects.filter(username=role).first()
    if user is None:
        user = User.objects.create(username=role, password=hashed, first_name=role.capitalize(), last_name="Demo")
    _role(user, site, role, now)
    return user


def _role(user: User, site: Site, role: str, now: datetime) -> None:
    if not user.grants.filter(role=role, site=site).exists():
        grant = Grant.objects.create(user=user, role=role, site=site, valid_from=now)
        told = {"user_id": user.pk, "role": role, "site_id": site.pk, "valid_from": now}
        audit.record(actor=SYSTEM, action="grant.give", obj=grant, now=now, new=told)


def _of_administrators() -> Q:
    """See everything of the application; add and change people, roles, codes and names."""
    changing = Q(codename__in=[f"{verb}_{what}" for verb in ("add", "change") for what in KEPT_BY_ADMINS])
    return Q(codename__startswith="view_", content_type__app_label__in=("auth", "control")) | changing


def _may_enter_admin(user: User, group_name: str, permissions: Q) -> None:
    group, _ = Group.objects.get_or_create(name=group_name)
    group.permissions.set(Permission.objects.filter(permissions))
    user.groups.add(group)
    user.is_staff = True
    user.save(update_fields=["is_staff"])
