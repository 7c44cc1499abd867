from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from syncqc.errors import Failure, UsageError
from syncqc.manifest.row import Clip
from syncqc.media.crop_video import decoded_crops
from syncqc.media.flac import decoded_sound
from syncqc.stages.keep_crops import KeepCrops, sound_around
from syncqc.stages.part import Part, Sound, Track


def track(first_image: int, n_images: int, index: int = 0) -> Track:
    nothing = np.zeros(0, np.float32)
    crops = np.broadcast_to(np.arange(n_images, dtype=np.uint8)[:, None, None, None] * 4, (n_images, 16, 24, 3))
    made = Track(first_image, crops, nothing.astype(np.int32), nothing, nothing, nothing)
    made.row = {"track_index": index, "face_width_px": 81.5}
    return made


def sound(first_image: int, n_images: int, value: float = 0.5) -> Sound:
    n = n_images * 640
    return Sound(np.full(n, value, np.float32), first_image * 640, np.ones(n, np.bool_))


def part(*tracks: Track, **about: Any) -> Part:
    made = Part(Clip("a/b", "a/b.mp4", **about), 2, 3, 100, 50)
    made.sound, made.tracks = sound(67, 116), list(tracks)
    return made


def kept(one: Part, **settings: Any) -> Part:
    stage = KeepCrops(**settings)
    stage.open()
    return stage([one])[0]


def test_a_line_says_what_the_track_is_and_holds_its_images_and_sound() -> None:
    (line,) = (one.kept for one in kept(part(track(110, 40), dataset="set", speaker="who")).tracks)
    assert line is not None
    video, flac = line.pop("video"), line.pop("sound")
    assert isinstance(video, bytes)
    assert isinstance(flac, bytes)
    assert line == {
        "clip_id": "a/b",
        "source": "set",
        "speaker": "who",
        "part_index": 2,
        "track_index": 0,
        "first_image": 110,
        "n_images": 40,
        "n_samples": 120 * 640,
        "present_begin": 0,
        "present_end": 113 * 640,
        "face_width_px": 81.5,
        "n_tracks": 1,
        "n_video_bytes": len(video),
        "n_sound_bytes": len(flac),
    }
    assert np.abs(decoded_crops(video, 40, 16, 24).astype(int) - track(110, 40).crops).max() <= 6
    # The part's sound ends 33 images after it, at image 183; the track's kept sound begins at image 70.
    samples = decoded_sound(flac, 120 * 640)
    assert (set(samples[: 113 * 640]), set(samples[113 * 640 :])) == ({16384}, {0})


def test_without_labels_the_clip_is_its_own_speaker() -> None:
    line = kept(part(track(110, 40))).tracks[0].kept
    assert line is not None
    assert (line["source"], line["speaker"]) == ("", "a/b")


def test_raw_crops_stay_behind() -> None:
    large = track(110, 40)
    large.crops = np.zeros((40, 720, 1280, 3), np.uint8)
    done = kept(part(large))
    done.images = done.sound = None  # as every part is before it travels
    assert len(pickle.dumps(done)) < 50_000


@pytest.mark.parametrize(("n_images", "is_kept"), [(14, False), (15, True)])
def test_a_short_track_is_not_kept_and_says_so(n_images: int, is_kept: bool) -> None:
    done = kept(part(track(110, n_images), track(100, 50, 1)))
    assert (done.tracks[0].kept is not None) is is_kept
    assert [row.get("failure") for row in done.rows()] == [None if is_kept else "too_short", None]
    assert done.tracks[1].kept is not None
    assert done.tracks[1].kept["n_tracks"] == 2


def test_nothing_is_kept_of_a_part_that_failed() -> None:
    silent = part(track(110, 40))
    silent.fail(Failure.SILENT, "silent")
    assert [one.kept for one in kept(silent).tracks] == [None]


def test_a_higher_crf_is_smaller() -> None:
    rng = np.random.default_rng(3)
    noisy = track(110, 20)
    noisy.crops = rng.integers(0, 256, (20, 16, 24, 3), np.uint8)
    raw = noisy.crops
    sizes = []
    for crf in (0, 30, 51):
        noisy.crops = raw
        line = kept(part(noisy), crf=crf).tracks[0].kept
        assert line is not None
        sizes.append(line["n_video_bytes"])
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2]


@pytest.mark.parametrize("crf", [-1, 52])
def test_a_quality_that_does_not_exist_is_refused(crf: int) -> None:
    with pytest.raises(UsageError, match=f"--crf must be from 0 to 51, not {crf}"):
        KeepCrops(crf=crf).open()


def test_loud_sound_is_clipped_and_does_not_turn_over() -> None:
    samples, _ = sound_around(track(110, 40), sound(67, 116, value=1.5))
    assert samples.max() == 32767
    assert samples.min() == 0


def test_a_file_without_sound_around_the_track_has_none_present() -> None:
    absent = sound(67, 116)
    absent.is_present[:] = False
    assert sound_around(track(110, 40), absent)[1] == (0, 0)
