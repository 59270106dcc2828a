"""Every string that is marked for translation, found in templates and code the way Django finds them."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from babel.messages.extract import extract_python
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation.template import templatize

ROOT = Path(settings.BASE_DIR)
KEYWORDS = ["_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy", "pgettext"]


@cache
def marked() -> dict[str, str]:
    """Message id (the singular, where there are two; after its context, where it has one) and the file it stands in."""
    found: dict[str, str] = {}
    for path in sources():
        text = path.read_text()
        code = templatize(text) if path.suffix == ".html" else text
        for _line, function, messages, _comments in extract_python(io.BytesIO(code.encode()), KEYWORDS, [], {}):
            message = messages if isinstance(messages, str) else messages[0]
            if function == "pgettext":
                message = "|".join(messages)
            if message:
                found.setdefault(message, str(path.relative_to(ROOT)))
    return found


def sources() -> list[Path]:
    folders = (ROOT / "dashboards", ROOT / "control", ROOT / "apcweb")
    code = [path for folder in folders for path in folder.rglob("*.py") if "migrations" not in path.parts]
    return sorted([*(ROOT / "templates").rglob("*.html"), *code])


@cache
def catalogue(language: str) -> dict[str, str | tuple[str, ...]]:
    """What each message is translated to."""
    path = ROOT / "dashboards" / "locale" / language / "LC_MESSAGES" / "django.po"
    with path.open("rb") as file:
        messages = read_po(file, locale=language)
    done = [one for one in messages if one.id and not one.fuzzy]
    ids = [one.id if isinstance(one.id, str) else one.id[0] for one in done]
    return {f"{one.context}|{key}" if one.context else key: one.string for one, key in zip(done, ids, strict=True)}
