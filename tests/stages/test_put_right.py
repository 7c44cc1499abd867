from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import av
import pytest

from syncqc.manifest.row import Row
from syncqc.media.mux import MuxError
from syncqc.stages import put_right
from syncqc.stages.put_right import NO_ROOM, Cut, PutRight, Repairable, codec_in, sidecar_codec, sidecar_suffix

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from made_sources import heard_early, make_clip, make_wav

LONG_AGO_NS = 1_000_000_000_000_000_000


@pytest.fixture(scope="module")
def late_5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip whose sound comes five images late."""
    path = make_clip(tmp_path_factory.mktemp("source") / "late.mp4", -5)
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return path


def done(job: Repairable, **settings: object) -> list[Row]:
    parts = list(PutRight(**settings)(job))  # type: ignore[arg-type]
    return [row for part in parts for row in part.rows()]


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(video=0) if packet.size]


def test_a_late_sound_is_brought_forward_and_the_pictures_stay_as_they_are(late_5: Path, tmp_path: Path) -> None:
    out = tmp_path / "id" / "x.mp4"
    (row,) = done(Repairable("x", str(late_5), shift_frames=-5, out_path=str(out), duration_s=2.0))
    assert (row["resync_status"], row["resync_shift_frames"], row["resynced_path"]) == ("shifted", -5, str(out))
    assert row["resync_pad_s"] == pytest.approx(-0.2, abs=0.1)
    assert row.get("resynced_audio_path") is None
    assert heard_early(late_5) == pytest.approx(-5, abs=0.05)
    assert heard_early(out) == pytest.approx(0, abs=0.05)
    assert packets(out) == packets(late_5)
    assert out.stat().st_mtime_ns == LONG_AGO_NS


@pytest.mark.parametrize("link", ["copy", "hard", "sym"])
def test_a_clip_in_time_is_placed(late_5: Path, tmp_path: Path, link: str) -> None:
    out = tmp_path / "x.mp4"
    for _ in range(2):  # the second time it lies there already
        (row,) = done(Repairable("x", str(late_5), out_path=str(out)), link=link)
        assert (row["resync_status"], row["resync_shift_frames"], row["resync_pad_s"]) == ("in_time", 0, 0.0)
        assert (out.is_symlink(), out.samefile(late_5)) == (link == "sym", link != "copy")
        assert out.read_bytes() == late_5.read_bytes()


@pytest.mark.parametrize("link", ["hard", "sym"])
def test_a_link_that_an_earlier_run_left_is_never_written_through(late_5: Path, tmp_path: Path, link: str) -> None:
    out, before = tmp_path / "x.mp4", late_5.read_bytes()
    done(Repairable("x", str(late_5), out_path=str(out)), link=link)
    (row,) = done(Repairable("x", str(late_5), shift_frames=-5, out_path=str(out)))
    assert row["resync_status"] == "shifted"
    assert late_5.read_bytes() == before
    assert heard_early(out) == pytest.approx(0, abs=0.05)


def test_of_a_clip_with_a_sidecar_only_the_sidecar_is_written(tmp_path: Path) -> None:
    video, wav = make_clip(tmp_path / "s" / "x.mp4", None), make_wav(tmp_path / "s" / "x.wav", 6)
    out, out_wav = tmp_path / "o" / "mp4" / "x.mp4", tmp_path / "o" / "wav" / "x.wav"
    job = Repairable("x", str(video), str(wav), shift_frames=6, out_path=str(out), out_audio_path=str(out_wav))
    (row,) = done(job, link="sym")
    assert (row["resynced_path"], row["resynced_audio_path"], row["resync_pad_s"]) == (str(out), str(out_wav), pytest.approx(0.24))
    assert out.is_symlink()
    assert heard_early(video, wav) == pytest.approx(6, abs=0.05)
    assert heard_early(out, out_wav) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("shift", [0, 4], ids=["in time", "early"])
def test_sound_that_clips_share_goes_into_the_video(tmp_path: Path, shift: int) -> None:
    video, wav = make_clip(tmp_path / "s" / "x.mp4", None), make_wav(tmp_path / "s" / "long.wav", shift)
    out = tmp_path / "o" / "x.mp4"
    job = Repairable("x", str(video), str(wav), audio_start_s=0.2, shift_frames=shift - 5 if shift else 0, out_path=str(out))
    (row,) = done(job)
    assert (row["resynced_path"], row.get("resynced_audio_path")) == (str(out), None)
    # What is heard 0.2 s into the sound belongs to the first image, so all of it comes five images earlier.
    assert heard_early(out) == pytest.approx(shift + 5 - (shift - 5 if shift else 0), abs=0.1)


def test_each_part_becomes_a_file(late_5: Path, tmp_path: Path) -> None:
    cuts = (Cut(0, 0.0, 1.6, str(tmp_path / "x_part000.mp4")), Cut(2, 3.0, 4.0, str(tmp_path / "x_part002.mp4")))
    rows = done(Repairable("x", str(late_5), shift_frames=-5, cuts=cuts, out_path=str(tmp_path / "x.mp4")))
    assert [(row["part_index"], row["resync_status"]) for row in rows] == [(0, "shifted"), (2, "failed")]
    assert heard_early(tmp_path / "x_part000.mp4") == pytest.approx(0, abs=0.05)
    assert "the pictures end before 3 s" in str(rows[1]["detail"])
    assert [path.name for path in tmp_path.iterdir()] == ["x_part000.mp4"]


def test_a_clip_that_cannot_be_read_fails_with_a_reason_and_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "broken.mp4"
    source.write_bytes(b"no video")
    (row,) = done(Repairable("x", str(source), shift_frames=3, out_path=str(tmp_path / "o" / "x.mp4")))
    assert (row["resync_status"], row.get("resynced_path")) == ("failed", None)
    assert row["detail"]
    assert list((tmp_path / "o").iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), MuxError("ffmpeg stopped with code 1: x.mp4: No space left on device")],
    ids=["python", "ffmpeg"],
)
def test_a_full_disk_is_told_from_a_bad_clip(late_5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(put_right, "repair_video", full)
    (row,) = done(Repairable("x", str(late_5), shift_frames=3, out_path=str(tmp_path / "x.mp4")))
    assert row["detail"] == NO_ROOM


def test_codecs_follow_the_file_where_none_is_asked_for() -> None:
    assert [codec_in(suffix, None) for suffix in (".mp4", ".MKV", ".webm", ".avi")] == ["aac", "aac", "opus", "pcm"]
    assert [sidecar_codec(suffix, None) for suffix in (".m4a", ".wav", ".FLAC", ".mp3")] == ["aac", "pcm", "flac", "aac"]
    assert [sidecar_suffix(".wav", codec) for codec in ("pcm", "aac", "opus")] == [".wav", ".m4a", ".opus"]  # type: ignore[arg-type]
    assert codec_in(".webm", "aac") == sidecar_codec(".wav", "aac") == "aac"


def test_the_stage_and_its_jobs_travel() -> None:
    job = Repairable("x", "x.mp4", shift_frames=3, cuts=(Cut(0, 0.0, 1.0, "y"),))
    assert pickle.loads(pickle.dumps((PutRight(), job))) == (PutRight(), job)
