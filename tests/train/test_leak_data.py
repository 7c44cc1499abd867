from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from syncqc.engine.local import run_local
from syncqc.engine.plan import Plan
from syncqc.errors import Failure, UsageError
from syncqc.manifest.row import Clip
from syncqc.manifest.store import read_rows
from syncqc.stages.base import KEPT, Source
from syncqc.stages.part import Part, Track
from syncqc.stages.start_time import ReadStart
from syncqc.train.leak_data import StartJournal, bytes_per_clip, open_starts


@dataclass
class Made(Source):
    """Clips by their names: ``silent`` has no sound, of the others sample k is k plus the length of the name."""

    writes = (KEPT,)

    def __call__(self, clip: Clip) -> Iterator[Part]:
        part = Part(clip, 0, 1, 0, 0)
        if clip.clip_id == "silent":
            part.fail(Failure.NO_AUDIO, "the file has no sound track")
        else:
            sound = (np.arange(2000) + len(clip.clip_id)).astype("<i2").tobytes()
            line = {"clip_id": clip.clip_id, "source": "", "group": "g", "n_steps": 20, "period_s": 0.064, "rate_hz": 1000, "sound": sound}
            nothing = np.zeros((0, 4), np.float32)
            part.tracks = [Track(0, np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0, np.int32), nothing, nothing, nothing[:, 0], kept=line)]
        yield part


def journal(folder: Path, **settings: object) -> StartJournal:
    return StartJournal(folder, settings, {"syncqc": "0"})


def fill(folder: Path, *names: str, is_finished: bool = True) -> None:
    with journal(folder).open() as opened:
        for result in run_local(Plan(Made()), [Clip(name, "x") for name in names], isolate=False):
            opened.add(result)
        if is_finished:
            opened.finish()


def test_what_was_kept_is_read_in_place(tmp_path: Path) -> None:
    fill(tmp_path / "p", "bb", "silent", "a")
    one, two = open_starts(tmp_path / "p")
    assert (one.clip_id, two.clip_id, one.rate_hz, one.period_s, one.n_steps) == ("a", "bb", 1000, 0.064, 20)
    # Trims of 1 s at 1000 Hz: step 3 is 0.3 s, sample 300.
    assert one.samples(3, 10).tolist() == list(range(301, 1301))
    assert not two.sound.flags.owndata
    assert {row["clip_id"]: row["failure"] for row in read_rows(tmp_path / "p" / "clips.parquet", ("clip_id", "failure"))} == {
        "a": None, "bb": None, "silent": "no_audio",
    }  # fmt: skip


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    fill(tmp_path / "p", "a", "silent", is_finished=False)
    with journal(tmp_path / "p").open() as opened:
        assert opened.done == {"a", "silent"}
    fill(tmp_path / "p", "bb")
    assert [start.clip_id for start in open_starts(tmp_path / "p")] == ["a", "bb"]


def test_a_shard_without_rows_is_left_over_and_goes(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    fill(folder, "a")
    fill(tmp_path / "other", "bb")
    (folder / "starts-000002.arrow").write_bytes((tmp_path / "other" / "starts-000001.arrow").read_bytes())
    (folder / ".starts-000003.arrow.12345678.part").write_bytes(b"half")
    with journal(folder).open():
        pass
    assert [start.clip_id for start in open_starts(folder)] == ["a"]
    assert not list(folder.glob(".starts*"))


def test_other_settings_other_files_and_damage_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "p", "a")
    with pytest.raises(UsageError, match="begun with other settings: side_px None -> 64"):
        journal(tmp_path / "p", side_px=64).open()
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "holiday.jpg").touch()
    with pytest.raises(UsageError, match="holds something else than the beginnings of clips"):
        journal(tmp_path / "q").open()
    (tmp_path / "f").touch()
    with pytest.raises(UsageError, match="is a file"):
        journal(tmp_path / "f").open()
    (tmp_path / "p" / "starts-000001.arrow").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"starts-000001\.arrow cannot be read"):
        open_starts(tmp_path / "p")


def test_the_room_that_is_needed_is_known_beforehand() -> None:
    # 150 pictures of 80 x 80, three bytes each; ten seconds of 16 bits at 48 kHz.
    assert bytes_per_clip(ReadStart("rgb")) == 150 * 80 * 80 * 3
    assert bytes_per_clip(ReadStart("audio")) == 960_000
