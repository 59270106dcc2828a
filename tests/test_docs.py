"""What can be typed or set is written down."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMMANDS = [path.stem for path in (ROOT / "control/management/commands").glob("[a-z]*.py")]
TEXTS = "\n".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
SETTINGS = sorted(set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "apcweb/settings.py").read_text())))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_docs(command: str) -> None:
    assert re.search(rf"manage\.py {command}\b|`{command}`", TEXTS)


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_is_in_the_example(setting: str) -> None:
    assert setting in (ROOT / ".env.example").read_text()


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"], ids=lambda page: page.name
)
def test_every_link_of_the_docs_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_trial_of_the_docs_is_there() -> None:
    named = set(re.findall(r"`(\w+/\w+\.py)`", (ROOT / "docs/trials.md").read_text()))
    assert named
    assert [path for path in named if not (ROOT / "tests" / path).exists()] == []
