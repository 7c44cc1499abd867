from __future__ import annotations

import errno
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from syncqc.cli import resync_run
from syncqc.cli.resync_run import reader_in_words, resync_manifest
from syncqc.cli.score_run import Engine, carry_out
from syncqc.engine.assemble import ClipResult
from syncqc.engine.local import run_local
from syncqc.engine.plan import Plan
from syncqc.engine.resync import ResyncSettings
from syncqc.engine.resync_out import WORK
from syncqc.errors import UsageError
from syncqc.manifest import store
from syncqc.manifest.resync_status import ResyncStatus
from syncqc.manifest.row import Clip
from syncqc.stages.put_right import NO_ROOM
from syncqc.stages.read_by_index import ReadByIndex

sys.path.insert(0, str(Path(__file__).parent))

from made_sources import heard_early, make_clip, make_manifest, make_wav, row_of, tree_of

UNVERIFIED = ResyncSettings(verify="none")
OFFSETS = {"id0/00000": -9, "id0/00001": 0, "id1/00000": 7, "id1/00001": -4}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with clips of `OFFSETS`, one with its sound in a sidecar, and a manifest beside it; also a drifting and a broken one."""
    folder = tmp_path_factory.mktemp("source")
    videos = folder / "videos"
    rows = [row_of(name, make_clip(videos / f"{name}.mp4", offset), offset) for name, offset in OFFSETS.items()]
    sound = make_wav(videos / "wav/x.wav", 5)
    rows.append(row_of("mp4/x", make_clip(videos / "mp4/x.mp4", None), 5, audio_path=str(sound)))
    rows.append(row_of("drifting", make_clip(videos / "drifting.mp4", 3), 3, is_offset_drifting=True))
    make_manifest(folder / "m.parquet", rows, videos)
    (videos / "broken.mp4").write_bytes(b"no video")
    make_manifest(folder / "with_broken.parquet", [*rows, row_of("broken", videos / "broken.mp4", 3)], videos)
    return folder


@pytest.fixture(autouse=True)
def _in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading processes take their time to start; what they do is the same. The test that kills a run starts a real one."""
    monkeypatch.setattr(Engine, "run", lambda _, name, plan, clips: run_local(plan, clips, isolate=False))


def statuses(out: Path) -> dict[str, str]:
    return {str(row["clip_id"]): str(row["resync_status"]) for row in store.read_rows(out / "manifest.parquet")}


def test_a_manifest_becomes_a_folder_of_clips_in_time(source: Path, tmp_path: Path) -> None:
    before = tree_of(source)
    out = tmp_path / "out"
    summary = resync_manifest(source / "m.parquet", out, UNVERIFIED)
    assert summary.n_clips == {ResyncStatus.SHIFTED: 4, ResyncStatus.IN_TIME: 1, ResyncStatus.DRIFTING: 1}
    assert (summary.n_files, summary.is_all_done, summary.left_alone) == (4, True, out / "not-shifted.txt")
    media = [*(f"{name}.mp4" for name in OFFSETS), "mp4/x.mp4", "wav/x.wav"]
    assert sorted(tree_of(out)) == sorted([*media, "manifest.parquet", "not-shifted.txt"])
    for name in OFFSETS:
        assert heard_early(out / f"{name}.mp4") == pytest.approx(0, abs=0.05), name
    assert heard_early(out / "mp4/x.mp4", out / "wav/x.wav") == pytest.approx(0, abs=0.05)
    assert (out / "not-shifted.txt").read_text().startswith("drifting\tdrifting\t")
    known = store.provenance(out / "manifest.parquet")
    assert (known["resync"]["mode"], known["source_manifest"]["path"]) == ("bake", str(source / "m.parquet"))
    assert known["settings"] == {"source": str(source / "videos")}
    assert tree_of(source) == before


def test_the_same_call_again_writes_nothing(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    first = resync_manifest(source / "m.parquet", out, UNVERIFIED)
    before = {path: path.stat().st_ino for path in out.rglob("*")}
    capsys.readouterr()
    again = resync_manifest(source / "m.parquet", out, UNVERIFIED)
    assert "is already complete" in capsys.readouterr().out
    assert {path: path.stat().st_ino for path in out.rglob("*")} == before
    assert (again.n_clips, again.n_files) == (first.n_clips, first.n_files)


def test_other_settings_or_another_manifest_need_a_restart(source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = tmp_path / "out"
    resync_manifest(source / "m.parquet", out, UNVERIFIED)
    with pytest.raises(UsageError, match="audio_codec None -> 'flac'; choose another --out, or --restart"):
        resync_manifest(source / "m.parquet", out, ResyncSettings(verify="none", audio_codec="flac"))
    with pytest.raises(UsageError, match="another manifest"):
        resync_manifest(source / "with_broken.parquet", out, UNVERIFIED)
    assert (out / "wav/x.wav").exists()
    resync_manifest(source / "m.parquet", out, ResyncSettings(verify="none", audio_codec="flac"), restart=True)
    assert store.provenance(out / "manifest.parquet")["resync"]["audio_codec"] == "flac"
    assert (out / "wav/x.flac").exists()
    assert "1 files of the run before are not written again and stay, like" in caplog.text


def test_what_failed_is_tried_again_and_only_that(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = resync_manifest(source / "with_broken.parquet", out, UNVERIFIED)
    assert (statuses(out)["broken"], first.is_all_done) == ("failed", False)
    assert "failed\tbroken\t" in (out / "not-shifted.txt").read_text()
    before = {path: path.stat().st_ino for path in out.rglob("*.mp4")}
    make_clip(source / "videos" / "broken.mp4", 3)
    try:
        assert resync_manifest(source / "with_broken.parquet", out, UNVERIFIED).is_all_done
    finally:
        (source / "videos" / "broken.mp4").write_bytes(b"no video")
    assert statuses(out)["broken"] == "shifted"
    assert heard_early(out / "broken.mp4") == pytest.approx(0, abs=0.05)
    assert {path: path.stat().st_ino for path in before} == before


@pytest.mark.parametrize("link", ["hard", "sym"])
def test_clips_without_need_are_linked_if_asked(source: Path, tmp_path: Path, link: str) -> None:
    manifest = make_manifest(tmp_path / "m.parquet", [row_of("x", source / "videos/id0/00001.mp4", 0)], source / "videos")
    resync_manifest(manifest, tmp_path / "out", replace(UNVERIFIED, link=link))
    placed = tmp_path / "out/x.mp4"
    assert (placed.is_symlink(), placed.samefile(source / "videos/id0/00001.mp4")) == (link == "sym", True)


def test_clips_without_need_are_skipped_if_asked(source: Path, tmp_path: Path) -> None:
    manifest = make_manifest(tmp_path / "m.parquet", [row_of("x", source / "videos/id0/00001.mp4", 0)], source / "videos")
    resync_manifest(manifest, tmp_path / "out", replace(UNVERIFIED, skip=True))
    assert sorted(tree_of(tmp_path / "out")) == ["manifest.parquet"]
    assert statuses(tmp_path / "out") == {"x": "in_time"}


def test_virtual_writes_a_manifest_alone(source: Path, tmp_path: Path) -> None:
    summary = resync_manifest(source / "m.parquet", tmp_path / "out", ResyncSettings(mode="virtual"))
    assert sorted(tree_of(tmp_path / "out")) == ["manifest.parquet", "not-shifted.txt"]
    assert summary.n_clips == {ResyncStatus.VIRTUAL: 4, ResyncStatus.IN_TIME: 1, ResyncStatus.DRIFTING: 1}
    assert all(row["resynced_path"] is None for row in store.read_rows(tmp_path / "out/manifest.parquet"))


def test_a_dry_run_writes_nothing(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = resync_manifest(source / "m.parquet", tmp_path / "out", UNVERIFIED, dry_run=True)
    assert summary.n_clips == {ResyncStatus.SHIFTED: 4, ResyncStatus.IN_TIME: 1, ResyncStatus.DRIFTING: 1}
    assert summary.manifest is None
    assert "to write" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_sidecars_of_the_manifest_come_along(source: Path, tmp_path: Path) -> None:
    manifest = make_manifest(tmp_path / "m.parquet", [row_of("x", source / "videos/id0/00001.mp4", 0)], source / "videos")
    store.tracks_path(manifest).write_bytes(b"faces")
    resync_manifest(manifest, tmp_path / "out", UNVERIFIED)
    assert store.tracks_path(tmp_path / "out/manifest.parquet").read_bytes() == b"faces"


def test_a_container_that_cannot_hold_the_sound_stops_everything(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pcm"):
        resync_manifest(source / "m.parquet", tmp_path / "out", replace(UNVERIFIED, audio_codec="pcm"))
    assert not (tmp_path / "out").exists()


def test_too_small_a_disk_stops_before_any_work(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resync_run, "free_bytes", lambda _: 1000)
    with pytest.raises(UsageError, match="needs about 0 MB and 0 MB are free; make room"):
        resync_manifest(source / "m.parquet", tmp_path / "out", UNVERIFIED)
    assert not (tmp_path / "out").exists()


def test_a_disk_that_gets_full_ends_in_one_sentence_and_the_same_call_goes_on(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, usual = tmp_path / "out", Engine.run

    def gets_full(engine: Engine, name: str, plan: Plan, clips: list[Clip]) -> Iterator[ClipResult]:
        for n, result in enumerate(usual(engine, name, plan, clips)):
            yield result if n < 2 else ClipResult(result.clip, [{"resync_status": "failed", "detail": NO_ROOM}])

    with monkeypatch.context() as patch, pytest.raises(typer.Exit) as ended:
        patch.setattr(Engine, "run", gets_full)
        resync_manifest(source / "m.parquet", out, UNVERIFIED)
    assert ended.value.exit_code == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert f"{NO_ROOM}; mend that, and the same command goes on from here" in told
    assert not (out / "manifest.parquet").exists()
    assert resync_manifest(source / "m.parquet", out, UNVERIFIED).is_all_done
    assert "going on: 2 of 5 clips are done" in capsys.readouterr().err


def test_a_full_disk_at_the_manifest_is_the_same(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(resync_run, "write_manifest", full)
        with pytest.raises(typer.Exit):
            resync_manifest(source / "m.parquet", tmp_path / "out", UNVERIFIED)
    assert resync_manifest(source / "m.parquet", tmp_path / "out", UNVERIFIED).is_all_done


@pytest.mark.parametrize(("verify", "n_expected"), [("all", 4), ("sample", 2)])
def test_written_files_are_measured_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verify: str, n_expected: int
) -> None:
    """What the network would say is made up here; that the right files are asked about, and what follows, is not."""
    out, asked = tmp_path / "out", list[Clip]()

    def measured(engine: Engine, name: str, plan: Plan, clips: list[Clip]) -> Iterator[ClipResult]:
        for n, clip in enumerate(clips):
            asked.append(clip)
            yield ClipResult(
                clip, [{"clip_id": clip.clip_id, "path": clip.path, "part_index": 0, "clip_offset_frames": 3 if n == 1 else -1}]
            )

    def first_repairs(plan: Plan, clips: list[Clip], *rest: object, **more: object) -> object:
        if "put_right.mode" not in plan.settings():
            monkeypatch.setattr(Engine, "run", measured)
        return carry_out(plan, clips, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(resync_run, "carry_out", first_repairs)
    monkeypatch.setattr(resync_run, "plan_again", lambda *_, **__: Plan(ReadByIndex()))
    settings = ResyncSettings(verify=verify, verify_sample=2)
    summary = resync_manifest(source / "m.parquet", out, settings)
    assert len(asked) == n_expected
    by_path = {clip.path: clip.audio_path for clip in asked}
    assert by_path.keys() <= {str(out / name) for name in ("id0/00000.mp4", "id1/00000.mp4", "id1/00001.mp4", "mp4/x.mp4")}
    assert by_path.get(str(out / "mp4/x.mp4"), str(out / "wav/x.wav")) == str(out / "wav/x.wav")
    assert sorted(summary.residuals.values()) == [-1] * (n_expected - 1) + [3]
    assert (len(summary.beyond), summary.is_all_done) == (1, False)
    rows = {row["clip_id"]: row for row in store.read_rows(out / "manifest.parquet")}
    assert sorted(row["residual_offset_frames"] for row in rows.values() if row["residual_offset_frames"] is not None) == sorted(
        summary.residuals.values()
    )
    asked.clear()
    assert len(resync_manifest(source / "m.parquet", out, settings).residuals) == n_expected
    assert asked == []


def test_readers_are_named() -> None:
    assert reader_in_words(ResyncSettings(verify="none")) is reader_in_words(ResyncSettings(mode="virtual")) is None
    assert "by index" in str(reader_in_words(ResyncSettings()))
    assert "do not see" in str(reader_in_words(ResyncSettings(mode="remux")))


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "a file is being written": lambda out: any(out.rglob(".*.part*")),
    "a file is there": lambda out: any(out.rglob("*.mp4")),
    "the rows are there": lambda out: (out / WORK / "repaired.parquet").exists(),
    "the manifest is there": lambda out: (out / "manifest.parquet").exists(),
}


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_leaves_no_trace_after_the_next(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "syncqc", "resync", str(source / "m.parquet"), "--out", str(out), "--verify", "none"]
    resync_manifest(source / "m.parquet", out, UNVERIFIED)
    undisturbed = tree_of(out)
    out.rename(tmp_path / "undisturbed")
    for moment, is_there in MOMENTS.items():
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while run.poll() is None and not is_there(out):
            time.sleep(0.002)
        run.kill()
        run.wait()
        assert resync_manifest(source / "m.parquet", out, UNVERIFIED).is_all_done, moment
        assert tree_of(out) == undisturbed, moment
        assert not (out / WORK).exists(), moment
        out.rename(tmp_path / moment)


def test_a_container_that_takes_no_sound_costs_its_own_clip_unless_a_codec_was_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    videos = tmp_path / "videos"
    rows = [row_of(name, make_clip(videos / f"{name}.mp4", 4), 4) for name in ("a", "b")]
    (videos / "b.mp4").rename(videos / "b.flv")
    rows[1]["path"] = str(videos / "b.flv")
    manifest = make_manifest(tmp_path / "m.parquet", rows, videos)
    with pytest.raises(UsageError, match=r"no video is written into \.flv; known: \.mp4"):
        resync_manifest(manifest, tmp_path / "asked", ResyncSettings(verify="none", audio_codec="aac"))
    assert not (tmp_path / "asked").exists()
    summary = resync_manifest(manifest, tmp_path / "out", UNVERIFIED)
    assert (statuses(tmp_path / "out"), summary.is_all_done) == ({"a": "shifted", "b": "failed"}, False)
    assert "1 files cannot be put right and will count as failed: no video is written into .flv" in caplog.text
    details = [str(row["detail"]) for row in store.read_rows(tmp_path / "out" / "manifest.parquet")]
    assert "resync: no video is written into .flv" in details[1]
