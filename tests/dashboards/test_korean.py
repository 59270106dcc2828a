"""Every marked string has its Korean, with the same placeholders."""

from __future__ import annotations

import re

from tests.dashboards.marked import catalogue, marked

PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%%|\{\w+\}")
TERMS = {
    "Approve": "승인",
    "Reject": "반려",
    "Control limits": "관리한계",
    "specification and target": "규격",
    "Coater": "코터",
    "From": "이전",
    "time|From": "시작",
    "time|To": "끝",
}


def test_every_marked_string_is_translated() -> None:
    done = catalogue("ko")
    assert {message: where for message, where in marked().items() if not done.get(message)} == {}


def test_nothing_is_translated_that_nobody_says() -> None:
    assert set(catalogue("ko")) - set(marked()) == set()


def test_placeholders_are_the_same_in_both_languages() -> None:
    odd = {}
    for message, translated in catalogue("ko").items():
        text = translated if isinstance(translated, str) else translated[0]
        if sorted(PLACEHOLDER.findall(message)) != sorted(PLACEHOLDER.findall(text)):
            odd[message] = text
    assert odd == {}


def test_the_terms_are_those_of_the_field() -> None:
    done = catalogue("ko")
    assert {message: word for message, word in TERMS.items() if word not in done[message]} == {}
