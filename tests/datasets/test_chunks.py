from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from syncqc.datasets.chunks import crop_of
from syncqc.datasets.listing import Beside
from syncqc.datasets.talkinghead1kh import TalkingHead1kh
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip
from syncqc.media.container import decoded_pictures, open_container, picture_stream
from syncqc.media.mux import run_ffmpeg

VIDEO = "-7TMJ_nhi-_"
FIRST, LAST = 25, 60
CROP = f"{VIDEO}_0001_S{FIRST}_E{LAST}_L0_T0_R16_B16"
BEGINS_S = 124 / 25
"""Key frames are 31 images apart, and the first one after 4 s is number 124."""
DARKEST = 16

NAMES = {
    "as published": ("-7TMJtnhiPM_0000_S1202_E1607_L345_T26_R857_B538", ("-7TMJtnhiPM", "-7TMJtnhiPM_0000", 1202, 1607)),
    "id with underscores": ("a_0001_S1_b_0012_S0_E9_L0_T0_R1_B1", ("a_0001_S1_b", "a_0001_S1_b_0012", 0, 9)),
    "without a box": ("abc_0003_S5_E9", ("abc", "abc_0003", 5, 9)),
    "no chunk": ("abc_S5_E9_L0_T0_R1_B1", None),
    "ends before it begins": ("abc_0003_S9_E5_L0_T0_R1_B1", None),
    "a chunk": ("abc_0003", None),
}


@pytest.mark.parametrize(("name", "said"), NAMES.values(), ids=NAMES)
def test_names_are_read_from_the_right(name: str, said: tuple[str, str, int, int] | None) -> None:
    found = crop_of(name)
    assert (found and (found.video, found.chunk, found.first, found.last)) == said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An original whose image n has the brightness 16 + n, with sound; cut and cropped as the set's scripts do, and otherwise."""
    root = tmp_path_factory.mktemp("th")
    for folder in ("chunks", "chunks_with_sound", "reset", "crops"):
        (root / folder).mkdir()
    original = root / "original.mp4"
    grey = ["-f", "lavfi", "-i", f"color=size=16x16:rate=25:duration=8,format=gray,geq=lum='{DARKEST}+N'"]
    keyed = ["-c:v", "libx264", "-bf", "2", "-g", "31", "-keyint_min", "31", "-sc_threshold", "0", "-crf", "4", "-pix_fmt", "yuv420p"]
    run_ffmpeg([*grey, "-f", "lavfi", "-i", "sine=440:duration=8", *keyed, "-c:a", "aac", "-ar", "16000", str(original)])
    run_ffmpeg(["-i", str(original), "-an", "-c", "copy", str(root / "silent.mp4")])
    cut = ["-c", "copy", "-map", "0", "-segment_time", "4", "-f", "segment"]
    run_ffmpeg(["-i", str(root / "silent.mp4"), *cut, str(root / "chunks" / f"{VIDEO}_%04d.mp4")])
    run_ffmpeg(["-i", str(root / "silent.mp4"), *cut, "-reset_timestamps", "1", str(root / "reset" / f"{VIDEO}_%04d.mp4")])
    run_ffmpeg(["-i", str(original), *cut, str(root / "chunks_with_sound" / f"{VIDEO}_%04d.mp4")])
    trim = f"trim=start_frame={FIRST}:end_frame={LAST + 1}"
    for name, source, filters, more in (
        ("prefix", "chunks", trim, ["-vsync", "cfr"]),
        ("none", "chunks", f"{trim},setpts=PTS-STARTPTS", []),
        ("late", "chunks", trim, ["-vsync", "vfr"]),
        ("prefix_av", "chunks_with_sound", trim, ["-vsync", "cfr"]),
    ):
        chunk = str(root / source / f"{VIDEO}_0001.mp4")
        run_ffmpeg(["-i", chunk, "-filter_complex", f"[0:v]{filters}", *more, "-crf", "4", str(root / "crops" / f"{name}.mp4")])
    run_ffmpeg(["-i", str(original), "-vn", str(root / "whole.wav")])
    return root


def listed(made: Path, work: Path, crop: str, sounds: dict[str, str], chunks: str | None = "chunks") -> Clip:
    """The crop in a folder of its own, and its sound as `sounds` says: name in the sound folder, file made."""
    (work / "crops").mkdir()
    (work / "sounds").mkdir()
    shutil.copy(made / "crops" / f"{crop}.mp4", work / "crops" / f"{CROP}.mp4")
    for name, file in sounds.items():
        shutil.copy(made / file, work / "sounds" / name)
    beside = Beside(audio_root=work / "sounds", chunks=made / chunks if chunks else None)
    (clip,) = TalkingHead1kh().clips(work / "crops", None, beside).clips
    return clip


def last_image(clip: Clip) -> tuple[int, float]:
    """Which image of the original the clip's last picture is, and when that is shown, in s after the file's own start."""
    with open_container(clip.path) as container:
        stream = picture_stream(container)
        assert stream is not None
        start_s = Fraction(container.start_time or 0, 1_000_000)
        *_, (frame, time_s) = decoded_pictures(container, stream)
        return round(frame.to_ndarray(format="gray").mean() - DARKEST), float(time_s - start_s)


WHOLE = {f"{VIDEO}.wav": "whole.wav"}
PLACES = {
    "whole sound, frozen prefix": ("prefix", WHOLE, "chunks", BEGINS_S),
    "whole sound, no prefix": ("none", WHOLE, "chunks", BEGINS_S + FIRST / 25),
    "whole sound, late first picture": ("late", WHOLE, "chunks", BEGINS_S + FIRST / 25),
    "a video as sound": ("none", {f"{VIDEO}.mp4": "original.mp4"}, "chunks", BEGINS_S + FIRST / 25),
    "sound goes before a video": ("none", {f"{VIDEO}.mp4": "silent.mp4", **WHOLE}, "chunks", BEGINS_S + FIRST / 25),
    "chunks with sound": ("none", WHOLE, "chunks_with_sound", BEGINS_S + FIRST / 25),
}


@pytest.mark.parametrize(("crop", "sounds", "chunks", "start_s"), PLACES.values(), ids=PLACES)
def test_a_crop_is_placed_in_the_sound_of_its_original(
    crop: str, sounds: dict[str, str], chunks: str, start_s: float, made: Path, tmp_path: Path
) -> None:
    clip = listed(made, tmp_path, crop, sounds, chunks)
    assert clip.audio_start_s == pytest.approx(start_s, abs=0.001)
    number, shown_s = last_image(clip)
    assert number == 124 + LAST
    assert clip.audio_start_s is not None
    assert clip.audio_start_s + shown_s == pytest.approx(number / 25, abs=0.001)


def test_a_prefix_made_from_a_chunk_with_sound_begins_with_that_chunk(made: Path, tmp_path: Path) -> None:
    clip = listed(made, tmp_path, "prefix_av", WHOLE, "chunks_with_sound")
    number, shown_s = last_image(clip)
    assert clip.audio_start_s is not None
    assert clip.audio_start_s < BEGINS_S
    assert clip.audio_start_s + shown_s == pytest.approx(
        number / 25, abs=0.021
    )  # CFR pictures lie on whole images, the sound's start does not


@pytest.mark.parametrize("chunks", [None, "chunks"])
@pytest.mark.parametrize(("crop", "after_s"), [("none", FIRST / 25), ("prefix", 0.0)])
def test_a_chunk_as_sound_keeps_its_own_clock(chunks: str | None, crop: str, after_s: float, made: Path, tmp_path: Path) -> None:
    sound = f"chunks_with_sound/{VIDEO}_0001.mp4"
    clip = listed(made, tmp_path, crop, {f"{VIDEO}_0001.mp4": sound, **WHOLE}, chunks)
    with open_container(str(made / sound)) as container:
        stream = picture_stream(container)
        assert stream is not None
        begins_s = float(stream.start_time * stream.time_base)  # type: ignore[operator]
        if crop == "prefix" and chunks is None:  # then it stands for the chunk that was cropped, whose prefix begins with its sound
            begins_s = container.start_time / 1_000_000
    assert clip.audio_path == str(tmp_path / "sounds" / f"{VIDEO}_0001.mp4")
    assert clip.audio_start_s == pytest.approx(begins_s + after_s, abs=0.001)


@pytest.mark.parametrize("chunks", [None, "chunks", "reset"])
@pytest.mark.parametrize(("crop", "after_s"), [("none", FIRST / 25), ("prefix", None)])
def test_a_plain_sound_file_of_a_chunk_begins_with_it(
    chunks: str | None, crop: str, after_s: float | None, made: Path, tmp_path: Path
) -> None:
    clip = listed(made, tmp_path, crop, {f"{VIDEO}_0001.wav": "whole.wav"}, chunks)
    assert clip.audio_start_s == after_s


def test_a_crops_own_sound_goes_before_all_and_begins_with_it(made: Path, tmp_path: Path) -> None:
    clip = listed(made, tmp_path, "none", {f"{CROP}.wav": "whole.wav", f"{VIDEO}_0001.wav": "whole.wav", **WHOLE}, None)
    assert (clip.audio_path, clip.audio_start_s) == (str(tmp_path / "sounds" / f"{CROP}.wav"), None)


def test_whole_sound_without_chunks_is_refused_rather_than_guessed(made: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        listed(made, tmp_path, "none", WHOLE, None)
    assert str(error.value) == (
        f"{tmp_path}/sounds holds the sound of whole videos, and only the chunks ({VIDEO}_0001.mp4) say where in it a clip begins: "
        "name the folder of chunks with --chunks"
    )


def test_the_first_chunk_begins_with_its_original_and_needs_no_file(made: Path, tmp_path: Path) -> None:
    (tmp_path / "crops").mkdir()
    shutil.copy(made / "crops/none.mp4", tmp_path / "crops" / f"{VIDEO}_0000_S{FIRST}_E{LAST}_L0_T0_R16_B16.mp4")
    (tmp_path / f"{VIDEO}.wav").touch()
    (clip,) = TalkingHead1kh().clips(tmp_path / "crops", None, Beside(audio_root=tmp_path)).clips
    assert clip.audio_start_s == FIRST / 25


def test_chunks_with_their_clock_set_back_place_nothing(made: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no clip has sound that can be placed: the clock of their chunk was set back to 0"):
        listed(made, tmp_path, "none", WHOLE, "reset")


def test_a_missing_first_chunk_is_told(made: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(made / "chunks", tmp_path / "some")
    (tmp_path / "some" / f"{VIDEO}_0000.mp4").unlink()
    clip = listed(made, tmp_path, "none", WHOLE, str(tmp_path / "some"))
    assert clip.audio_start_s == pytest.approx(BEGINS_S + FIRST / 25 + 0.08, abs=0.001)
    assert caplog.messages == ["1 of 1 clips: the first chunk of their video is not there, so their sound may be placed some images late"]


def test_clips_that_cannot_be_placed_have_no_sound_and_are_told(made: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    crops = tmp_path / "crops"
    crops.mkdir()
    for name, file in (
        (f"{VIDEO}_0001_S{FIRST}_E{LAST}_L0_T0_R16_B16", "crops/none.mp4"),
        (f"{VIDEO}_0001_S100_E200_L0_T0_R16_B16", "crops/none.mp4"),
        (f"{VIDEO}_0007_S{FIRST}_E{LAST}_L0_T0_R16_B16", "crops/none.mp4"),
        (f"{VIDEO[:-1]}x_0001_S{FIRST}_E{LAST}_L0_T0_R16_B16", "crops/none.mp4"),
        (f"{VIDEO}_0001_S1_E9_L0_T0_R16_B16", "whole.wav"),
    ):
        shutil.copy(made / file, crops / f"{name}.mp4")
    (crops / f"{VIDEO}_0001_S1_E9_L0_T0_R16_B16.mp4").write_text("no video")
    (crops / "odd.mp4").touch()
    (tmp_path / "sounds").mkdir()
    shutil.copy(made / "whole.wav", tmp_path / "sounds" / f"{VIDEO}.wav")
    clips = TalkingHead1kh().clips(crops, None, Beside(audio_root=tmp_path / "sounds", chunks=made / "chunks")).clips
    assert [clip.clip_id for clip in clips if clip.audio_path] == [f"{VIDEO}_0001_S{FIRST}_E{LAST}_L0_T0_R16_B16"]
    assert len(clips) == 6
    assert caplog.messages == [
        "1 of 6 clips are not named as crops are; no sound is looked for",
        "1 of 6 clips: their chunk is not there, or cannot be opened, so their sound cannot be placed",
        "1 of 6 clips: there is no sound file of theirs",
        "1 of 6 clips: they are not as long as their names say, so their sound cannot be placed",
        "1 of 6 clips: they cannot be opened",
    ]
