from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields

import pytest

from syncqc.cli.compare import compare
from syncqc.cli.filter import filter as filter_command
from syncqc.cli.rule_options import rules_of
from syncqc.errors import UsageError
from syncqc.manifest.rules import Rules


@pytest.mark.parametrize("command", [filter_command, compare], ids=["filter", "compare"])
def test_every_rule_is_an_option(command: Callable[..., None]) -> None:
    assert {item.name for item in fields(Rules)} <= set(inspect.signature(command).parameters)


def test_what_was_not_given_is_as_by_default() -> None:
    assert rules_of(None, p=None, per=None, keep_all_tracks=False) == Rules()
    assert rules_of(" vfr, mpeg4,", p=0.5, max_offset=2) == Rules(p=0.5, max_offset=2, artefacts=("vfr", "mpeg4"))


@pytest.mark.parametrize(
    ("artefacts", "given", "expected"),
    [
        (" , ", {}, "--artefacts names none"),
        (None, {"min_share": 0.5}, "--min-share needs --per clip"),
        (None, {"per": "clp"}, "did you mean 'clip'"),
    ],
    ids=["no names", "a share of nothing", "a misspelt mode"],
)
def test_rules_that_mean_nothing_are_refused(artefacts: str | None, given: dict[str, object], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        rules_of(artefacts, **given)
