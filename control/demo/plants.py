"""The plant files of the demo, and whether those it was made from are the ones of this version."""

from __future__ import annotations

import hashlib

from django.conf import settings

from control.models import AuditEntry

FIXTURES = settings.BASE_DIR / "fixtures"
PLANTS = ("cathode", "anode")
PATHS = {name: FIXTURES / "plants" / f"{name}.toml" for name in PLANTS}
SEEDED, RENEWED = "demo.seed", "demo.renew"  # the audit rows that say so, and from which files


def seeded() -> bool:
    return AuditEntry.objects.filter(action=SEEDED).exists()


def outdated() -> bool:
    """Whether there is a demo that was made from other files and not brought up to these since."""
    last = AuditEntry.objects.filter(action__in=(SEEDED, RENEWED)).order_by("-number").first()
    return last is not None and (last.new or {}).get("plants") != fingerprint()


def fingerprint() -> str:
    """SHA-256 over the files."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in PATHS.values())).hexdigest()
