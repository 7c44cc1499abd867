from __future__ import annotations

import pickle

import pytest

from syncqc.errors import ClipError, Failure, UsageError, unknown_name


def test_the_list_of_failures_is_closed() -> None:
    # A new code is a change of the manifest's schema: raise SCHEMA_VERSION together with this list.
    assert [str(failure) for failure in Failure] == [
        "unreadable", "no_video", "no_audio", "no_face", "too_short", "silent", "time_limit", "memory_limit", "crashed",
    ]  # fmt: skip


@pytest.mark.parametrize("failure", list(Failure), ids=str)
def test_each_failure_has_a_meaning_of_its_own(failure: Failure) -> None:
    assert failure.meaning
    assert [other for other in Failure if other.meaning == failure.meaning] == [failure]


def test_a_clip_error_carries_code_and_sentence() -> None:
    error = ClipError(Failure.NO_AUDIO, "the file has no sound track")
    assert (error.failure, error.detail) == (Failure.NO_AUDIO, "the file has no sound track")
    assert str(error) == "no_audio: the file has no sound track"


def test_a_clip_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(ClipError(Failure.SILENT, "all samples are 0")))
    assert (error.failure, error.detail) == (Failure.SILENT, "all samples are 0")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        pytest.param("marginn", "unknown column 'marginn'; did you mean 'margin'?", id="near"),
        pytest.param("xyz", "unknown column 'xyz'; known: margin, offset_ms.", id="far"),
        pytest.param("", "unknown column ''; known: margin, offset_ms.", id="empty"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, sentence: str) -> None:
    error = unknown_name("column", name, {"offset_ms", "margin"})
    assert isinstance(error, UsageError)
    assert str(error) == sentence
