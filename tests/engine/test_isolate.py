from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_plan import FakeFaces, FakeRead, fake_clips

from syncqc.engine.isolate import IsolatedReader, Limits, SameProcessReader
from syncqc.engine.plan import Near
from syncqc.errors import Failure, UsageError

NEAR = Near(FakeRead(), (FakeFaces(),))


@pytest.fixture(scope="module")
def reader() -> Iterator[IsolatedReader]:
    one = IsolatedReader(NEAR, Limits(time_limit_s=2.0, memory_limit_gb=0.5))
    yield one
    one.close()


@pytest.mark.parametrize(
    ("behaviour", "failure", "detail"),
    [
        ("segfault-1", Failure.CRASHED, "the reading process was ended by SIGSEGV"),
        ("killed-1", Failure.CRASHED, "the reading process was ended by SIGKILL"),
        ("exit-1", Failure.CRASHED, "the reading process ended with exit code 7"),
        ("hang-1", Failure.TIME_LIMIT, "nothing was read for 2 s"),
        ("spin-1", Failure.TIME_LIMIT, "nothing was read for 2 s"),
        ("memory-1", Failure.MEMORY_LIMIT, "reading on needs more memory than the limit"),
        ("chatter-1", Failure.MEMORY_LIMIT, "reading needs more memory than the limit; the decoder did not survive that"),
        ("raise-1", Failure.CRASHED, "ValueError: the stage has a bug"),
    ],
)
def test_a_clip_that_brings_its_process_down_keeps_what_was_read_and_the_next_one_is_read(
    reader: IsolatedReader, behaviour: str, failure: Failure, detail: str
) -> None:
    bad, good = fake_clips(behaviour, "ok-2")
    read, rest = reader.parts(bad)
    assert (read.part_index, read.n_parts, read.failure, len(read.tracks)) == (0, 3, None, 2)
    assert (rest.part_index, rest.n_parts, rest.failure, rest.detail) == (1, 3, failure, detail)
    assert [part.failure for part in reader.parts(good)] == [None, None]


def test_the_parts_are_those_of_the_same_process(reader: IsolatedReader) -> None:
    clip = fake_clips("ok-3")[0]
    there, here = list(reader.parts(clip)), list(SameProcessReader(NEAR).parts(clip))
    assert [part.row for part in there] == [part.row for part in here]
    assert [[track.crops.tobytes() for track in part.tracks] for part in there] == [
        [track.crops.tobytes() for track in part.tracks] for part in here
    ]


def test_a_process_that_died_between_two_clips_is_no_clips_fault(reader: IsolatedReader) -> None:
    list(reader.parts(fake_clips("ok-1")[0]))
    assert reader._child is not None
    reader._child._process.kill()
    reader._child._process.wait()
    assert [part.failure for part in reader.parts(fake_clips("ok-1")[0])] == [None]


def test_a_clip_whose_parts_nobody_took_does_not_spill_into_the_next(reader: IsolatedReader) -> None:
    many, one = fake_clips("ok-20", "ok-1")
    parts = reader.parts(many)
    next(parts)
    del parts
    assert [(part.clip.clip_id, part.part_index) for part in reader.parts(one)] == [(one.clip_id, 0)]


def test_what_is_logged_there_is_logged_here(reader: IsolatedReader, caplog: pytest.LogCaptureFixture) -> None:
    list(reader.parts(fake_clips("raise-0")[0]))
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("syncqc.engine.near", logging.ERROR)
    assert "ValueError: the stage has" in record.getMessage()


def test_a_stage_that_refuses_its_settings_stops_the_run_with_its_sentence() -> None:
    with pytest.raises(UsageError, match="no such detector"):
        IsolatedReader(Near(FakeRead(), (FakeFaces(refusal="no such detector"),))).open()


def test_a_process_that_cannot_start_is_a_bug_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [path for path in sys.path if Path(path) != Path(__file__).parent])
    with pytest.raises(RuntimeError, match="No module named 'fake_plan'"):
        IsolatedReader(NEAR).open()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems end the process at its next read or write")
def test_the_process_goes_when_its_parent_is_killed_even_in_native_code() -> None:
    code = """if True:
        import sys, threading
        sys.path.insert(0, sys.argv[1])
        from fake_plan import FakeRead, fake_clips
        from syncqc.engine.isolate import IsolatedReader
        from syncqc.engine.plan import Near
        reader = IsolatedReader(Near(FakeRead()))
        reader.open()
        print(reader._child._process.pid, flush=True)
        list(reader.parts(fake_clips("spin-0")[0]))
    """
    with subprocess.Popen([sys.executable, "-c", code, str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.2)
        assert is_running(child)
        parent.kill()
    deadline_s = time.monotonic() + 5
    while is_running(child) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not is_running(child)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_nothing_is_left_open_after_many_restarts() -> None:
    one = IsolatedReader(NEAR)
    n_before = n_open_files()
    for clip in fake_clips("exit-0", "exit-0", "exit-0"):
        list(one.parts(clip))
    one.close()
    assert n_open_files() == n_before


def n_open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
