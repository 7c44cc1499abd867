from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from fake_plan import FakeFaces, FakeRead, fake_clips

from syncqc.engine.near import in_words, read_parts, rest_of
from syncqc.engine.plan import Near
from syncqc.errors import Failure
from syncqc.manifest.row import Clip
from syncqc.stages.part import Part

NEAR = Near(FakeRead(), (FakeFaces(),))


def test_parts_come_in_order_without_what_does_not_travel() -> None:
    parts = list(read_parts(NEAR, fake_clips("ok-3")[0]))
    assert [(part.part_index, part.n_parts, len(part.tracks), part.failure) for part in parts] == [(i, 3, 2, None) for i in range(3)]
    assert [(part.images, part.sound) for part in parts] == [(None, None)] * 3


@pytest.mark.parametrize(
    ("behaviour", "failure", "detail"),
    [
        ("raise-2", Failure.CRASHED, "ValueError: the stage has a bug"),
        ("clip_error-2", Failure.UNREADABLE, "half a file"),
    ],
)
def test_what_was_read_stays_and_one_part_stands_for_the_rest(behaviour: str, failure: Failure, detail: str) -> None:
    *good, rest = read_parts(NEAR, fake_clips(behaviour)[0])
    assert [part.failure for part in good] == [None, None]
    assert (rest.part_index, rest.n_parts, rest.failure, rest.detail, rest.row) == (2, 4, failure, detail, {"start_s": 0.8})


def test_a_stage_that_raises_is_written_to_the_log_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    list(read_parts(NEAR, fake_clips("raise-0")[0]))
    (record,) = caplog.records
    assert "000/raise-0" in record.getMessage()
    assert record.exc_info is not None


def test_a_source_that_gives_nothing_still_gives_a_row() -> None:
    (part,) = read_parts(NEAR, fake_clips("none")[0])
    assert (part.failure, part.detail) == (Failure.CRASHED, "FakeRead gave no part")


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "pipe as sound"])
def test_what_is_no_regular_file_is_never_opened(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # paths of sockets are short
    path = Path("ok-2.mp4")
    if kind.startswith("pipe"):
        os.mkfifo(path)
    elif kind == "socket":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.close()
    else:
        path.mkdir()
    notes = tmp_path / "notes"
    clip = Clip("a", "ok-1.mp4", str(path)) if kind == "pipe as sound" else Clip("a", str(path))
    (part,) = read_parts(Near(FakeRead(note_path=str(notes)), ()), clip)
    assert (part.failure, part.detail) == (Failure.UNREADABLE, "not a regular file")
    assert not notes.exists()


def test_the_rest_of_a_clip_that_says_too_little_about_its_parts_has_an_index_of_its_own() -> None:
    last = Part(Clip("a", "a"), 4, 3, 100, 25)
    rest = rest_of(last.clip, last, Failure.CRASHED, "why")
    assert (rest.part_index, rest.n_parts, rest.first_image, rest.row) == (5, 6, 125, {"start_s": 5.0})


def test_an_exception_is_told_on_one_line() -> None:
    assert in_words(KeyError("a\n  b")) == r"KeyError: 'a\n b'"
    assert in_words(ValueError("a\n  b")) == "ValueError: a b"
    assert in_words(AssertionError()) == "AssertionError"
