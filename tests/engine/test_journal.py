from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import fake_plan
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syncqc.engine import journal as journals
from syncqc.engine.assemble import ClipResult
from syncqc.engine.journal import Journal
from syncqc.errors import UsageError
from syncqc.manifest import store
from syncqc.manifest.row import Clip

SETTINGS = {"find_faces.every": 5, "score.w": 15}


def result(clip_id: str, n_rows: int = 2, margin: float = 0.5) -> ClipResult:
    clip = Clip(clip_id, f"/videos/{clip_id}.mp4")
    rows = [{**clip.row(), "part_index": i, "margin": margin} for i in range(n_rows)]
    face = {"clip_id": clip_id, "part_index": 0, "track_index": 0, "image": 3, "box_px": [0.0] * 4, "landmarks_px": [0.0] * 10}
    return ClipResult(clip, rows, [face])


def journal(out: Path, **settings: object) -> Journal:
    return Journal(out, SETTINGS | settings, {"syncqc": "1.0"})


def scored(out: Path, *names: str, **settings: object) -> None:
    with journal(out, **settings).open() as one:
        for name in names:
            one.add(result(name))
        one.finish()


def names_in(out: Path) -> list[str]:
    return list(store.read_clip_ids([out]))


def test_at_the_end_there_is_one_sorted_manifest_with_its_sidecar_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "new" / "m.parquet"
    scored(out, "b", "c/d", "a")
    assert sorted(path.name for path in out.parent.iterdir()) == ["m.parquet", "m.parquet.tracks.parquet"]
    assert [(row["clip_id"], row["part_index"]) for row in store.read_rows(out)] == [(n, i) for n in ("a", "b", "c/d") for i in (0, 1)]
    assert names_in(store.tracks_path(out)) == ["a", "b", "c/d"]
    known = store.provenance(out)
    assert (known["settings"]["score.w"], known["syncqc"]) == (15, "1.0")


def test_broken_off_it_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    out = tmp_path / "m.parquet"
    with pytest.raises(KeyboardInterrupt), journal(out).open() as one:
        one.add(result("b"))
        raise KeyboardInterrupt
    assert not out.exists()
    with journal(out).open() as two:
        assert two.done == {"b"}
        two.add(result("a"))
        two.finish()
    assert names_in(out) == ["a", "b"]


def test_a_finished_manifest_takes_what_came_since(tmp_path: Path) -> None:
    out = tmp_path / "m.parquet"
    scored(out, "b")
    with journal(out).open() as two:
        assert (two.done, two.is_finished) == ({"b"}, True)
        two.add(result("a"))
        two.finish()
    assert names_in(out) == ["a", "b"]
    assert names_in(store.tracks_path(out)) == ["a", "b"]


def test_opened_and_left_without_work_nothing_stays_behind(tmp_path: Path) -> None:
    out = tmp_path / "m.parquet"
    scored(out, "b")
    with journal(out).open():
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.parquet", "m.parquet.tracks.parquet"]


@pytest.mark.parametrize("is_finished", [True, False], ids=["finished", "under way"])
def test_other_settings_are_refused_by_name_with_a_way_out(tmp_path: Path, is_finished: bool) -> None:
    out = tmp_path / "m.parquet"
    with journal(out).open() as one:
        one.add(result("a"))
        if is_finished:
            one.finish()
    with pytest.raises(UsageError) as refused:
        journal(out, **{"score.w": 20, "new": None, "find_faces.every": 5}).open()
    assert "score.w 15 -> 20" in str(refused.value)
    assert "find_faces.every" not in str(refused.value)
    assert "--restart" in str(refused.value)
    with journal(out).open() as again:
        assert again.done == {"a"}


def test_restart_throws_away_what_is_done_and_replaces_the_manifest_only_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "m.parquet"
    scored(out, "old")
    with journal(out, **{"score.w": 20}).open(restart=True) as one:
        assert one.done == set()
        one.add(result("new"))
    assert names_in(out) == ["old"]
    with journal(out, **{"score.w": 20}).open() as two:  # goes on, and still knows that the old manifest is to be replaced
        assert (two.done, two.is_finished) == ({"new"}, False)
        two.finish()
    assert names_in(out) == ["new"]
    assert names_in(store.tracks_path(out)) == ["new"]


def test_other_versions_are_told_but_no_reason_to_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = tmp_path / "m.parquet"
    scored(out, "a")
    with Journal(out, SETTINGS, {"syncqc": "2.0"}).open():
        pass
    assert "syncqc 1.0 and goes on with 2.0" in caplog.text


@pytest.mark.parametrize("is_finished", [True, False], ids=["finished", "under way"])
def test_a_manifest_with_other_columns_is_not_gone_on_with(tmp_path: Path, is_finished: bool) -> None:
    out = tmp_path / "m.parquet"
    with Journal(out, SETTINGS, {"syncqc": "1.0", "schema_version": 1}).open() as one:
        one.add(result("a"))
        if is_finished:
            one.finish()
    now = {"syncqc": "2.0", "schema_version": 2}
    with pytest.raises(UsageError) as refused:
        Journal(out, SETTINGS, now).open()
    assert str(refused.value) == (
        f"{out} was begun with version 1 of the manifest's columns, this syncqc writes version 2; "
        "choose another --out, or --restart to throw away what is done"
    )
    with Journal(out, SETTINGS, now).open(restart=True) as again:
        assert again.done == set()
        again.add(result("b"))
        again.finish()
    assert names_in(out) == ["b"]
    assert store.provenance(out)["schema_version"] == 2


def test_two_at_once_are_refused_and_the_first_is_not_disturbed(tmp_path: Path) -> None:
    out = tmp_path / "m.parquet"
    with journal(out).open() as one:
        one.add(result("a"))
        with pytest.raises(UsageError, match="another syncqc is writing"):
            journal(out).open()
        one.finish()
    assert names_in(out) == ["a"]


def foreign_parquet(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda out: out.write_text("my notes"), "not a manifest"),
        (foreign_parquet, "not a manifest written by syncqc"),
        (lambda out: out.mkdir(), "is a folder"),
        (lambda out: (out.parent / "m.parquet.parts").write_text("x"), "is in the way and was not made by syncqc"),
        (lambda out: ((out.parent / "m.parquet.parts").mkdir(), (out.parent / "m.parquet.parts" / "thesis.tex").touch()), "is in the way"),
    ],
    ids=["text", "other parquet", "folder", "parts is a file", "parts holds something else"],
)
def test_what_is_in_the_way_is_refused_and_stays(tmp_path: Path, make: object, sentence: str) -> None:
    out = tmp_path / "m.parquet"
    make(out)  # type: ignore[operator]
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=sentence):
        journal(out).open()
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_name_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must name a \.parquet file"):
        journal(tmp_path / "m.csv").open()


def test_a_place_that_cannot_be_written_is_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write to"):
        journal(tmp_path / "file" / "m.parquet").open()


def test_a_full_disk_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 100, 0))
    with pytest.raises(UsageError, match="is full"):
        journal(tmp_path / "m.parquet").open()


def test_shards_are_written_by_the_clock_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "SECONDS_PER_SHARD", 0.05)
    with journal(tmp_path / "m.parquet").open() as one:
        one.add(result("a"))
        deadline_s = time.monotonic() + 5
        while not list(one.parts.glob("rows-*")) and time.monotonic() < deadline_s:
            time.sleep(0.02)
        assert list(store.read_clip_ids(one.parts.glob("rows-*"))) == ["a"]


def test_a_write_that_fails_in_the_background_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "SECONDS_PER_SHARD", 0.05)

    def no_room(path: Path, table: pa.Table) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"), journal(tmp_path / "m.parquet").open() as one:
        monkeypatch.setattr(store, "write_table", no_room)
        one.add(result("a"))
        time.sleep(0.3)
        one.add(result("b"))


def test_a_shard_whose_rows_are_missing_is_written_anew(tmp_path: Path) -> None:
    out = tmp_path / "m.parquet"
    with journal(out).open() as one:
        one.add(result("a"))
    parts = tmp_path / "m.parquet.parts"
    (parts / "rows-000001.parquet").unlink()  # as a kill between a shard's two files leaves it
    (parts / ".rows-000001.parquet.1a2b3c4d.part").write_bytes(b"half")
    with journal(out).open() as two:
        assert two.done == set()
        two.add(result("b"))
        two.finish()
    assert (names_in(out), names_in(store.tracks_path(out))) == (["b"], ["b"])


@pytest.mark.parametrize("step", range(6))
def test_killed_while_finishing_the_same_command_does_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Stops before the n-th change of the disk during `finish`, with a manifest of an earlier run to be replaced."""
    out = tmp_path / "m.parquet"
    scored(out, "old")
    one = journal(out, **{"score.w": 20}).open(restart=True)
    one.add(result("a"))
    one.flush()
    one.add(result("b"))
    one.flush()
    left = [step]

    class Killed(BaseException):
        pass

    def dying(real: object) -> object:
        def call(*args: object, **options: object) -> object:
            if not left[0]:
                raise Killed
            left[0] -= 1
            return real(*args, **options)  # type: ignore[operator]

        return call

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dying(Path.replace))
        patched.setattr(Path, "unlink", dying(Path.unlink))
        try:
            one.finish()
            pytest.fail("not killed")
        except Killed:
            assert one._lock is not None
            one._timer and one._timer.stop()
            one._lock.close()
    with journal(out, **{"score.w": 20}).open() as two:
        assert two.done == {"a", "b"}
        two.finish()
    assert (names_in(out), names_in(store.tracks_path(out))) == (["a", "b"], ["a", "b"])
    assert store.provenance(out)["settings"]["score.w"] == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.parquet", "m.parquet.tracks.parquet"]


def all_files(out: Path) -> Mapping[str, list[object]]:
    return {path.name: pq.read_table(path).to_pylist() for path in (out, store.tracks_path(out), store.similarity_path(out))}


def n_rows_shards(parts: Path) -> int:
    """A run that ends takes the folder away, perhaps while it is being looked into."""
    try:
        return sum(name.startswith("rows-") for name in os.listdir(parts))  # noqa: PTH208
    except FileNotFoundError:
        return 0


@pytest.mark.slow
def test_killed_at_any_moment_the_same_command_ends_with_the_undisturbed_rows(tmp_path: Path) -> None:
    n_clips, chance = 24, random.Random(7)
    fake_plan.score_into(tmp_path / "whole" / "m.parquet", n_clips, 0.0)
    out = tmp_path / "killed" / "m.parquet"
    code = f"import fake_plan, pathlib; fake_plan.score_into(pathlib.Path({str(out)!r}), {n_clips}, 0.03)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    codes = []
    for n_shards in (0, 1, 3, 6, n_clips):  # killed soon after so many of the eight shards are there; the last run is left alone
        with subprocess.Popen([sys.executable, "-c", code], env=environment) as run:
            while n_rows_shards(tmp_path / "killed" / "m.parquet.parts") < n_shards and run.poll() is None:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.1))
            run.send_signal(signal.SIGKILL)
            codes.append(run.wait())
    assert codes == [-signal.SIGKILL] * 4 + [0]
    assert all_files(out) == all_files(tmp_path / "whole" / "m.parquet")
    assert sorted(path.name for path in out.parent.iterdir()) == sorted(path.name for path in (tmp_path / "whole").iterdir())


def test_settings_beside_the_shards_can_be_read(tmp_path: Path) -> None:
    with journal(tmp_path / "m.parquet").open() as one:
        begun = json.loads((one.parts / "settings.json").read_text())
    assert begun["settings"]["score.w"] == 15


def test_the_manifest_says_when_it_was_finished(tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    out = tmp_path / "m.parquet"
    with Journal(out, SETTINGS, {"syncqc": "2.0"}).open() as one:
        one.add(result("a"))
        one.finish()
    finished = datetime.fromisoformat(store.provenance(out)["finished_at"])
    assert before <= finished <= datetime.now(UTC)
