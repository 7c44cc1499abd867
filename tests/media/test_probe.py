from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.errors import ClipError, Failure
from syncqc.media import probe as probes
from syncqc.media.probe import exact_s, first_image_at, probe
from syncqc.media.sound import SoundReader

PCM = ("-c:a", "pcm_s16le")


def test_every_fact_of_a_plain_clip(make) -> None:
    facts = probe(str(make.clip(".mp4", "-g", "12", rate_hz=44_100, n_channels=2)))
    row = facts.row()
    assert {name: row[name] for name in row if name not in facts.coding} == {
        "container_format": "mov,mp4,m4a,3gp,3g2,mj2",
        "video_codec": "h264",
        "audio_codec": "aac",
        "width_px": 64,
        "height_px": 48,
        "source_fps": pytest.approx(25.0),
        "is_vfr": False,
        "rotation_deg": 0,
        "key_frame_gap_frames": 12.0,
        "source_audio_rate_hz": 44_100,
        "source_audio_channels": 2,
        "duration_s": 2.0,
        "audio_duration_s": pytest.approx(2.0, abs=0.03),
        "av_start_gap_ms": 0.0,
        "audio_block_start_ms": 0.0,
    }
    assert (facts.n_images, facts.zero_s, facts.notes) == (50, 0, [])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("fps", "n_images"), [("24000/1001", 51), ("24", 50), ("25", 50), ("30000/1001", 51), ("30", 50), ("50", 50), ("60", 50)]
)
def test_rates_and_numbers_of_images(make, suffix: str, fps: str, n_images: int) -> None:
    rate = Fraction(fps)
    facts = probe(str(make.clip(suffix, "-bf", "2", fps=rate, n_pictures=round(2 * rate))))
    assert facts.source_fps == pytest.approx(float(rate), rel=2e-3)
    assert not facts.is_vfr
    # 48 film pictures last 2.002 s, so that image 50 is still shown.
    assert facts.n_images == n_images


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize(
    ("fps", "kept", "is_vfr", "mean_fps"),
    [
        (Fraction(30), tuple(range(60)), False, 30.0),
        (Fraction(30), tuple(i for i in range(60) if i != 20), True, 58 / (59 / 30)),
        (Fraction(120), tuple(range(0, 240, 8)), False, 15.0),
        (Fraction(120), tuple(range(0, 120, 8)) + tuple(range(120, 240, 4)), True, 44 / (236 / 120)),
    ],
    ids=["30", "30 with one left out", "15", "15, then 30"],
)
def test_variable_rate(make, suffix: str, fps: Fraction, kept: tuple[int, ...], is_vfr: bool, mean_fps: float) -> None:
    facts = probe(str(make.clip(suffix, "-bf", "0", fps=fps, n_pictures=int(2 * fps), kept=kept)))
    assert facts.is_vfr is is_vfr
    assert facts.source_fps == pytest.approx(mean_fps, rel=2e-3)


@pytest.mark.parametrize(
    ("output", "expected"),
    [(("-g", "1"), 1.0), (("-g", "10"), 10.0), (("-g", "1000"), None), (("-force_key_frames", "0.4,1.2"), 15.0)],
    ids=["every one", "every tenth", "only the first", "at 0, 0.4 and 1.2 s"],
)
def test_key_frames(make, output: tuple[str, ...], expected: float | None) -> None:
    assert probe(str(make.clip(".mp4", "-bf", "0", "-sc_threshold", "0", *output))).key_frame_gap_frames == expected


def test_hidden_pictures_before_a_cut_are_not_counted(make) -> None:
    whole = make.clip(".mp4", "-g", "30", "-bf", "2", sound_s=4.0, chirps_s=(1.5, 2.5))
    facts = probe(str(make.changed(whole, ".mp4", "-t", "2", "-c", "copy", before=("-ss", "1.3"))))
    assert facts.zero_s == 0
    assert float(facts.duration_s) == pytest.approx(2.0, abs=0.17)
    # The sound is cut in the middle of a packet; the decoder leaves out what comes before the cut.
    assert facts.audio_start_s == 0


START_GAPS = {
    "mp4, none": (".mp4", PCM[:0], None, 0.0),
    "mkv pcm, none": (".mkv", PCM, None, 0.0),
    "mkv pcm, sound later": (".mkv", PCM, "0.3", 300.0),
    "mkv pcm, sound earlier": (".mkv", PCM, "-0.3", -300.0),
    "mov pcm, sound later": (".mov", PCM, "0.3", 300.0),
    "ts aac with priming": (".ts", (), None, -64.0),
    "mp4 aac, sound later": (".mp4", (), "0.3", 236.0),
}


@pytest.mark.parametrize(("suffix", "output", "sound_delay_s", "gap_ms"), START_GAPS.values(), ids=START_GAPS.keys())
def test_start_gap(make, suffix: str, output: tuple[str, ...], sound_delay_s: str | None, gap_ms: float) -> None:
    before = ("-itsoffset", sound_delay_s) if sound_delay_s else ()
    assert probe(str(make.clip(suffix, *output, before_sound=before))).row()["av_start_gap_ms"] == pytest.approx(gap_ms, abs=1.0)


@pytest.mark.parametrize("sound_s", [1.0, 3.0], ids=["shorter", "longer"])
def test_sound_of_another_length_than_the_pictures(make, sound_s: float) -> None:
    facts = probe(str(make.clip(".mkv", *PCM, n_pictures=50, sound_s=sound_s, chirps_s=(0.5,))))
    assert (facts.duration_s, facts.audio_duration_s) == (2, Fraction(sound_s))
    assert facts.n_images == 50


def test_no_sound_is_no_error(make) -> None:
    facts = probe(str(make.clip(".mp4", with_audio=False)))
    assert facts.n_images == 50
    assert {facts.audio_codec, facts.source_audio_rate_hz, facts.audio_start_s, facts.audio_duration_s} == {None}


def test_no_pictures(make) -> None:
    with pytest.raises(ClipError, match="no picture track") as caught:
        probe(str(make.clip(".m4a", with_video=False)))
    assert caught.value.failure is Failure.NO_VIDEO


def test_codecs_have_their_own_names_not_their_decoders(make) -> None:
    facts = probe(str(make.clip(".avi")))
    assert (facts.video_codec, facts.audio_codec) == ("mpeg4", "mp3")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_file_that_was_cut_off_says_so(make, suffix: str) -> None:
    whole = make.clip(suffix, *(("-movflags", "+faststart") if suffix == ".mp4" else ()), sound_s=4.0)
    assert probe(str(whole)).notes == []
    cut = probe(str(make.altered(whole, lambda data: data[: len(data) // 2])))
    assert len(cut.notes) == 1
    assert cut.notes[0].startswith("the file ends after")


# Sidecars

VIDEOS = {
    "both begin at 0": (".mp4", None),
    "begins at 1.4 s": (".ts", None),
    "sound begins 0.3 s earlier": (".mkv", "-0.3"),
}
SIDECARS = {
    "wav": (".wav", *PCM),
    "flac": (".flac", "-c:a", "flac"),
    "m4a": (".m4a", "-c:a", "aac"),
    "m4a copy": (".m4a", "-c:a", "copy"),
    "mp3": (".mp3", "-c:a", "libmp3lame"),
    "ogg": (".ogg", "-c:a", "libvorbis"),
    "mka": (".mka", *PCM),
    "ts of mp2": (".ts", "-c:a", "mp2"),
}


# A copied track keeps its priming, and only MP4 says how long that is.
EXTRACTED = {f"{s}, {v}": (VIDEOS[v], SIDECARS[s]) for s in SIDECARS for v in VIDEOS if not (s == "m4a copy" and VIDEOS[v][0] != ".mp4")}


@pytest.mark.parametrize(("video", "sidecar"), EXTRACTED.values(), ids=EXTRACTED.keys())
def test_extracted_sound_lies_where_it_lay_in_the_video(make, video: tuple[str, str | None], sidecar: tuple[str, ...]) -> None:
    suffix, delay_s = video
    path = make.clip(suffix, rate_hz=44_100, before_sound=("-itsoffset", delay_s) if delay_s else ())
    sound = make.changed(path, sidecar[0], "-vn", *sidecar[1:])
    own, apart = probe(str(path)), probe(str(path), str(sound))
    expected = make.chirps_in(SoundReader(str(path), own.sound_zero_s(is_sidecar=False)).read(-8000, 40_000)[0])
    found = make.chirps_in(SoundReader(str(sound), apart.sound_zero_s(is_sidecar=True)).read(-8000, 40_000)[0])
    # The encoder of MPEG layer 2 delays by 481 samples and says nothing of it.
    tolerance_s = 0.012 if sidecar[-1] == "mp2" else 0.001
    assert found == pytest.approx(expected, abs=tolerance_s)
    assert apart.audio_start_s == pytest.approx(float(own.audio_start_s or 0), abs=0.001)


def test_facts_of_a_sidecar(make) -> None:
    path, sound = make.clip(".mp4"), make.clip(".wav", with_video=False, rate_hz=48_000, n_channels=2, sound_s=3.0)
    facts = probe(str(path), str(sound))
    assert (facts.audio_codec, facts.source_audio_rate_hz, facts.source_audio_channels) == ("pcm_s16le", 48_000, 2)
    assert (facts.audio_start_s, facts.audio_duration_s) == (0, 3)
    assert (facts.video_codec, facts.duration_s) == ("h264", 2)


def test_sidecar_wins_over_the_sound_in_the_video(make) -> None:
    path, sound = make.clip(".mp4"), make.clip(".wav", with_video=False, chirps_s=(0.8,))
    facts = probe(str(path), str(sound))
    samples, _ = SoundReader(str(sound), facts.sound_zero_s(is_sidecar=True)).read(0, 32_000)
    assert make.chirps_in(samples) == pytest.approx([0.8], abs=1e-4)


@pytest.mark.parametrize(
    ("start_s", "gap_ms", "length_s"),
    [(None, 0, 60), (0.0, 0, 60), (40.0, 0, 20), (59.5, 0, 0.5), (61.0, 0, 0), (-1.5, 1500, 60)],
    ids=["not given", "0", "inside", "near the end", "behind the end", "the video begins earlier"],
)
def test_what_lies_before_the_given_time_of_a_shared_sidecar_counts_as_cut_off(
    make, start_s: float | None, gap_ms: float, length_s: float
) -> None:
    """`audio_duration_s` is what there is from the given time on, and `av_start_gap_ms` where that begins: not hours before the clip."""
    path, sound = make.clip(".mp4"), make.clip(".wav", with_video=False, sound_s=60.0)
    row = probe(str(path), str(sound), start_s).row()
    assert row["av_start_gap_ms"] == pytest.approx(gap_ms)
    assert row["audio_duration_s"] == pytest.approx(length_s)


@pytest.mark.parametrize("sidecar", [s for name, s in SIDECARS.items() if name != "m4a copy"], ids=lambda s: s[0])
@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_the_given_time_of_a_sidecar_counts_from_its_own_start(make, suffix: str, sidecar: tuple[str, ...]) -> None:
    path, sound = make.clip(suffix, rate_hz=44_100), make.clip(*sidecar, with_video=False, sound_s=8.0, chirps_s=(5.7, 6.5), rate_hz=44_100)
    facts = probe(str(path), str(sound), 5.2)
    own = probe(str(path))
    lag_s = float(own.zero_s - own.container_start_s)
    found = make.chirps_in(SoundReader(str(sound), facts.sound_zero_s(is_sidecar=True)).read(-8000, 40_000)[0], -8000)
    assert found == pytest.approx([0.5 - lag_s, 1.3 - lag_s], abs=0.012 if sidecar[-1] == "mp2" else 0.001)


def test_a_sidecar_is_looked_through_once_until_it_changes(make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, sound = str(make.clip(".mp4")), tmp_path / "shared.wav"
    sound.write_bytes(make.clip(".wav", with_video=False, sound_s=3.0).read_bytes())
    looked_at = []
    scan = probes.scan_packets
    monkeypatch.setattr(probes, "scan_packets", lambda *arguments: looked_at.append(arguments[1] is None) or scan(*arguments))
    assert [probe(path, str(sound), s).audio_duration_s for s in (0.0, 1.0)] == [3, 2]
    sound.write_bytes(make.clip(".wav", with_video=False, sound_s=4.0).read_bytes())
    assert probe(path, str(sound), 1.0).audio_duration_s == 3
    assert looked_at == [False, True, False, False, True], "the video each time, the sound file once per state"


@pytest.mark.parametrize(
    "exact", [Fraction(0), Fraction(690_004, 100), Fraction(7, 90_000) + 6900, Fraction(-4, 25), Fraction(1, 3)], ids=str
)
def test_times_come_back_exactly_from_floats(exact: Fraction) -> None:
    assert exact_s(float(exact)) == exact


@pytest.mark.parametrize(
    ("make_sidecar", "failure", "detail"),
    [
        (lambda make, folder: make.clip(".mp4", with_audio=False), Failure.NO_AUDIO, "the sound file holds no sound track"),
        (lambda make, folder: folder / "nowhere.wav", Failure.UNREADABLE, "cannot be opened: No such file"),
        (lambda make, folder: folder, Failure.UNREADABLE, "not a regular file"),
    ],
    ids=["video without sound", "missing", "folder"],
)
def test_sidecar_without_sound(make, tmp_path: Path, make_sidecar, failure: Failure, detail: str) -> None:
    with pytest.raises(ClipError) as caught:
        probe(str(make.clip(".mp4")), str(make_sidecar(make, tmp_path)))
    assert caught.value.failure is failure
    assert caught.value.detail.startswith(detail)


@given(numerator=st.integers(0, 10**7), per_s=st.sampled_from([1000, 90_000, 12_800, 25, 44_100]))
def test_first_image_at_or_half_a_millisecond_after(numerator: int, per_s: int) -> None:
    time_s = Fraction(numerator, per_s)
    k = first_image_at(time_s)
    assert Fraction(k, 25) + Fraction(1, 2000) >= time_s
    assert Fraction(k - 1, 25) + Fraction(1, 2000) < time_s
