from __future__ import annotations

import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from syncqc.manifest.row import Clip
from syncqc.media.mux import SoundTrack, write_wav
from syncqc.media.synthetic import Talk, draw
from syncqc.report.sheet_media import N_BARS, Cutter, in_time, segment_of, shown_images
from syncqc.stages.find_faces import FindFaces
from syncqc.stages.read import ReadClip

sys.path.insert(0, str(Path(__file__).parent))

from made_sheets import N_IMAGES, clicks, clip, complete, faces_of, manifest, numbers_of, row


def cutter(tmp_path: Path, faces: list[dict[str, object]], moved: tuple[tuple[str, str], ...] = (), limit_s: float = 30.0) -> Cutter:
    return Cutter(manifest(tmp_path / "m.parquet", [row("a")], faces), 5, moved, limit_s)


def bars(*times_s: float, start_s: float = 0.0, length_s: float = N_IMAGES / 25) -> list[int]:
    """The bars in which clicks at these times of the clip must show."""
    return [int((time_s - start_s) / length_s * N_BARS) for time_s in times_s]


def loud(peaks: np.ndarray) -> list[int]:
    return np.flatnonzero(np.nan_to_num(peaks) > 0.25).tolist()


def test_mouths_stand_above_their_moment_and_clicks_are_where_they_sound(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", 0.5, 2.0)
    seen = cutter(tmp_path, faces_of("a"))(complete(row("a", path=str(path))))
    assert seen.mouths is not None and seen.peaks is not None
    assert seen.mouths.shape == (5, 12, 24, 3)
    assert numbers_of(seen.mouths) == [6, 18, 30, 42, 54]
    assert loud(seen.peaks) == bars(0.5, 2.0)
    assert (seen.why_no_mouths, seen.why_no_sound) == (None, None)


def test_a_later_part_is_read_at_its_own_time(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", 1.3)
    later = complete(row("a", path=str(path), part_index=1, start_s=1.2, end_s=2.4, n_images=30))
    seen = cutter(tmp_path, faces_of("a", first=30, n=30, part=1))(later)
    assert seen.mouths is not None and seen.peaks is not None
    assert numbers_of(seen.mouths) == [33, 39, 45, 51, 57]
    assert loud(seen.peaks) == bars(1.3, start_s=1.2, length_s=1.2)


def test_pictures_at_uneven_distances_are_shown_by_their_time(tmp_path: Path) -> None:
    # Picture i appears at i^1.2 / 50 s: fewer and fewer pictures per second.
    shown_s = [Fraction(round(i**1.2 / 50 * 1000), 1000) for i in range(60)]
    path = clip(tmp_path / "a.mkv", 1.0, shown_s=shown_s)
    seen = cutter(tmp_path, faces_of("a"))(complete(row("a", path=str(path))))
    assert seen.mouths is not None and seen.peaks is not None
    expected = [max(i for i, appears_s in enumerate(shown_s) if appears_s <= image / 25) for image in shown_images(N_IMAGES, 5)]
    assert numbers_of(seen.mouths) == expected
    assert loud(seen.peaks) == bars(1.0)


def test_sound_from_a_file_of_its_own_begins_where_the_manifest_says(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", has_sound=False)
    write_wav(tmp_path / "a.wav", SoundTrack(clicks(3.5, n_images=200), 16_000))
    beside = complete(row("a", path=str(path), audio_path=str(tmp_path / "a.wav"), audio_start_s=3.0))
    seen = cutter(tmp_path, faces_of("a"))(beside)
    assert seen.peaks is not None
    assert loud(seen.peaks) == bars(0.5)


RESYNCED = {
    "the whole clip": ({"resynced_path": "b.mkv"}, None),
    "sound in a file of its own": ({"resynced_path": "b.mkv", "resynced_audio_path": "b.wav"}, None),
    "the sound alone": ({"resynced_audio_path": "b.wav"}, "a.mkv"),
}


@pytest.mark.parametrize(("columns", "pictures"), RESYNCED.values(), ids=RESYNCED.keys())
def test_of_a_clip_that_was_put_right_the_new_file_is_shown(tmp_path: Path, columns: dict[str, str], pictures: str | None) -> None:
    clip(tmp_path / "a.mkv", 0.5)
    clip(tmp_path / "b.mkv", 1.5)
    write_wav(tmp_path / "b.wav", SoundTrack(clicks(1.5), 16_000))
    places = {name: str(tmp_path / value) for name, value in columns.items()}
    # The sidecar of before the repair begins late; the new one does not.
    put_right = complete(
        row("a", path=str(tmp_path / "a.mkv"), audio_path="/gone.wav", audio_start_s=9.0, resync_shift_frames=25, **places)
    )
    assert segment_of(put_right).path == str(tmp_path / (pictures or "b.mkv"))
    seen = cutter(tmp_path, faces_of("a"))(put_right)
    assert seen.mouths is not None and seen.peaks is not None
    assert loud(seen.peaks) == bars(1.5)


def test_a_part_that_was_cut_into_a_file_of_its_own_is_read_by_that_files_clock(tmp_path: Path) -> None:
    cut = clip(tmp_path / "part1.mkv", 0.7, n_images=30)
    part = complete(row("a", path="/gone.mkv", resynced_path=str(cut), part_index=1, n_parts=2, start_s=0.0, end_s=1.2, n_images=30))
    seen = cutter(tmp_path, faces_of("a", n=30, part=1))(part)
    assert seen.mouths is not None and seen.peaks is not None
    assert numbers_of(seen.mouths) == [3, 9, 15, 21, 27]
    assert loud(seen.peaks) == bars(0.7, length_s=1.2)


def test_silence_that_was_put_in_shows_as_no_sound(tmp_path: Path) -> None:
    put_right = complete(row("a", resynced_path=str(clip(tmp_path / "b.mkv", 1.5)), resync_shift_frames=15, resync_pad_s=0.6))
    seen = cutter(tmp_path, faces_of("a"))(put_right)
    assert seen.peaks is not None
    assert np.flatnonzero(np.isnan(seen.peaks)).tolist() == list(range(30))


def test_folders_that_were_moved_are_found(tmp_path: Path) -> None:
    clip(tmp_path / "a.mkv", 0.5)
    seen = cutter(tmp_path, faces_of("a"), moved=(("/old/place", str(tmp_path)),))(complete(row("a", path="/old/place/a.mkv")))
    assert seen.mouths is not None
    assert numbers_of(seen.mouths) == [6, 18, 30, 42, 54]


def test_what_cannot_be_read_says_why_and_the_rest_is_shown(tmp_path: Path) -> None:
    cut = cutter(tmp_path, faces_of("a"))
    gone = cut(complete(row("a", path=str(tmp_path / "gone.mkv"))))
    assert gone.mouths is None and gone.peaks is None
    assert gone.why_no_mouths is not None and "No such file" in gone.why_no_mouths
    (tmp_path / "text.mkv").write_text("no video")
    assert cut(complete(row("a", path=str(tmp_path / "text.mkv")))).why_no_mouths is not None
    mute = cut(complete(row("a", path=str(clip(tmp_path / "mute.mkv", has_sound=False)))))
    assert mute.mouths is not None and mute.why_no_sound == "there is no sound in this stretch"
    short = cut(complete(row("a", path=str(clip(tmp_path / "short.mkv", 0.5, n_images=40)))))
    assert short.why_no_mouths == "decoding ends before 1.68 s" and short.peaks is not None
    assert np.isnan(short.peaks[-1]) and loud(short.peaks) == bars(0.5)
    other = cut(complete(row("b", path=str(tmp_path / "mute.mkv"))))
    assert other.why_no_mouths is not None and "holds no face" in other.why_no_mouths


def test_without_stored_faces_there_is_still_sound(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", 0.5)
    seen = Cutter(manifest(tmp_path / "m.parquet", [row("a")]), 5, (), 30.0)(complete(row("a", path=str(path))))
    assert seen.why_no_mouths is not None and "stored landmarks" in seen.why_no_mouths
    assert seen.peaks is not None and loud(seen.peaks) == bars(0.5)


def test_a_card_has_a_time_limit(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", 0.5)
    seen = cutter(tmp_path, faces_of("a"), limit_s=1e-6)(complete(row("a", path=str(path))))
    assert (seen.why_no_mouths, seen.why_no_sound) == ("reading took longer than 1e-06 s",) * 2


def test_a_reader_that_hangs_is_left_behind() -> None:
    never = threading.Event()
    begun_s = time.monotonic()
    answers = in_time(lambda one: never.wait() if one == 1 else one, [0, 1, 2, 3], 0.3, 2)
    assert answers == [0, None, 2, 3]
    assert time.monotonic() - begun_s < 5
    never.set()


def test_a_bug_in_a_reader_is_no_missing_picture() -> None:
    with pytest.raises(ZeroDivisionError):
        in_time(lambda one: 1 // one, [1, 0], 5.0, 2)


@pytest.mark.parametrize(("n_images", "expected"), [(60, [6, 18, 30, 42, 54]), (3, [0, 1, 2]), (1, [0])], ids=["whole", "few", "one"])
def test_shown_images_lie_evenly(n_images: int, expected: list[int]) -> None:
    assert shown_images(n_images, 5) == expected


@pytest.mark.slow
def test_mouths_are_what_the_network_saw(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    draw(Talk(seed=3, duration_s=1.0, width_px=200, height_px=200), path)
    find_faces = FindFaces(every=3, smooth_images=1.5, crop_height_px=40, crop_width_px=80)
    find_faces.open()
    (part,) = find_faces(list(ReadClip(max_short_side_px=150)(Clip("talk", str(path)))))
    (track,) = part.tracks
    faces = [
        {"clip_id": "talk", "part_index": 0, "track_index": 0, "image": image, "box_px": box, "landmarks_px": points, "confidence": 0.9}
        for image, box, points in zip(
            track.detected_images.tolist(), track.boxes_px.tolist(), track.landmarks_px.reshape(-1, 10).tolist(), strict=True
        )
    ]
    measured = row("talk", path=str(path), **{name: track.row[name] for name in ("start_s", "end_s", "n_images")})
    settings = {"find_faces.smooth_images": 1.5, "find_faces.crop_height_px": 40, "find_faces.crop_width_px": 80}
    made = manifest(tmp_path / "m.parquet", [measured], faces, settings | {"read_clip.max_short_side_px": 150})
    seen = Cutter(made, 5, (), 30.0)(complete(measured))
    assert seen.mouths is not None
    # The landmarks are stored in 32 bits.
    assert np.abs(seen.mouths.astype(int) - track.crops[shown_images(track.n_images, 5)]).max() <= 1
