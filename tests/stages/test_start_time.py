from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from syncqc.errors import UsageError
from syncqc.manifest.row import Clip
from syncqc.media.mux import Encoding, Pictures, SoundTrack, write_clip
from syncqc.stages.part import Part
from syncqc.stages.start_time import ReadStart, trim_places


def even(fps: float, s: float) -> list[Fraction]:
    return [Fraction(k) / Fraction(fps) for k in range(int(s * fps))]


@pytest.mark.parametrize(
    ("fps", "step", "expected"),
    [
        (10, 0, [0, 1, 2, 3]),
        (10, 7, [7, 8, 9, 10]),
        (25, 0, [0, 2, 5, 7, 10]),
        # 0.1 s is between pictures 2 and 3; the trim begins with picture 2 and keeps the pattern 2, 3, 2, 3.
        (25, 1, [2, 4, 7, 9, 12]),
        (25, 2, [5, 7, 10, 12, 15]),
        (30, 1, [3, 6, 9, 12]),
        (24, 0, [0, 2, 4, 7, 9, 12]),
        (24, 1, [2, 4, 6, 9, 11, 14]),
        (50, 3, [15, 20, 25]),
        # Slower than the grid: pictures stand.
        (5, 0, [0, 0, 1, 1, 2]),
        (5, 1, [0, 0, 1, 1, 2]),
    ],
)
def test_a_trim_of_even_pictures_is_the_same_pattern_wherever_it_begins(fps: int, step: int, expected: list[int]) -> None:
    assert trim_places(even(fps, 12), float(fps))[step, : len(expected)].tolist() == expected


@pytest.mark.parametrize("fps", [23.976, 24, 25, 29.97, 30, 50, 59.94])
def test_nothing_but_the_pictures_differs_between_starts(fps: float) -> None:
    # Rounded to whole milliseconds, as Matroska does.
    times_s = [Fraction(round(1000 * time_s), 1000) for time_s in even(fps, 12)]
    places = trim_places(times_s, fps)
    assert (places >= 0).all()
    assert len(np.unique(places - places[:, :1], axis=0)) == 1


def test_uneven_pictures_are_taken_by_their_times() -> None:
    times_s = [Fraction(n, 100) for n in (0, 4, 20, 21, 33, 60)]
    places = trim_places(times_s, None)
    # From step 2 on: picture 2 at 0.20; 0.30 shows 3, 0.40 and 0.50 show 4, 0.60 shows 5.
    assert places[2, :5].tolist() == [2, 3, 4, 4, 5]
    # Step 1 begins with picture 1, shown at 0.04: then 0.14, 0.24, 0.34.
    assert places[1, :4].tolist() == [1, 1, 3, 4]


def test_what_is_not_there_is_marked() -> None:
    places = trim_places(even(10, 6), 10.0)
    assert places[20, 39] == 59
    assert places[20, 40] == -1


def made(path: Path, seconds: float, fps: int = 25, rate_hz: int | None = 22_050, gap_s: float = 0.0) -> Clip:
    def images() -> Iterator[np.ndarray]:
        random = np.random.default_rng(0)
        for k in range(int(seconds * fps)):
            image = random.integers(0, 40, (48, 64, 3)).astype(np.uint8)
            image[8:40, 8:56] = min(255, 60 + k)
            yield image

    sound = None if rate_hz is None else SoundTrack(0.2 * np.random.default_rng(1).standard_normal(int(seconds * rate_hz)), rate_hz)
    write_clip(path, Pictures(images(), 64, 48, Fraction(fps)), sound, Encoding("mpeg4", "aac"), Fraction(gap_s))
    return Clip("c", str(path), dataset="d", speaker="s")


def read(clip: Clip, **settings: object) -> Part:
    (part,) = ReadStart(**settings)(clip)  # type: ignore[arg-type]
    return part


def test_pictures_come_with_the_trims_that_show_them(tmp_path: Path) -> None:
    part = read(made(tmp_path / "a.mp4", 3), side_px=32)
    assert part.failure is None
    (track,) = part.tracks
    line = track.kept
    assert line is not None
    assert (line["clip_id"], line["group"], line["n_steps"]) == ("c", "s", 30)
    # A key frame every 12 pictures of 1/25 s.
    assert line["period_s"] == pytest.approx(0.48)
    places = np.frombuffer(line["places"], np.int16).reshape(50, 50)  # type: ignore[call-overload]
    pictures = np.frombuffer(line["pictures"], np.uint8).reshape(-1, 32, 32, 3)  # type: ignore[call-overload]
    assert places.max() == len(pictures) - 1
    shown = pictures[places[10, :5]][:, 16, 16].mean(-1)
    # Picture k is of grey 60 + k; the trim from 1.0 s on shows pictures 25, 27, 30, 32, 35.
    assert shown == pytest.approx([85, 87, 90, 92, 95], abs=2.5)


@pytest.mark.parametrize(("at_own_rate", "rate_hz", "period_s"), [(True, 22_050, 1024 / 22_050), (False, 16_000, 1024 / 22_050)])
def test_sound_comes_at_the_rate_that_is_asked_for(tmp_path: Path, at_own_rate: bool, rate_hz: int, period_s: float) -> None:
    part = read(made(tmp_path / "a.mp4", 2.5), modality="audio", at_own_rate=at_own_rate)
    line = part.tracks[0].kept
    assert line is not None
    assert (line["rate_hz"], line["period_s"]) == (rate_hz, pytest.approx(period_s))
    sound = np.frombuffer(line["sound"], np.int16)  # type: ignore[call-overload]
    assert 24 <= int(str(line["n_steps"])) <= 25
    assert sound[: 2 * rate_hz].std() / 32768 == pytest.approx(0.2 if at_own_rate else 0.2 * (16_000 / 22_050) ** 0.5, rel=0.1)


def test_sound_that_begins_late_begins_on_the_grid(tmp_path: Path) -> None:
    part = read(made(tmp_path / "a.mkv", 3, gap_s=0.25), modality="audio")
    line = part.tracks[0].kept
    assert line is not None
    sound = np.frombuffer(line["sound"], np.int16)  # type: ignore[call-overload]
    assert np.abs(sound[:1600]).max() > 3000
    # It is there from 0.25 to 3.25 s; the first step of 0.1 s that has it all begins at 0.3 s.
    assert line["n_steps"] == 29


@pytest.mark.parametrize(
    ("seconds", "rate_hz", "modality", "failure", "detail"),
    [
        (1.5, 22_050, "rgb", "too_short", "there are 1.4 s, and 2 s are the least"),
        (1.5, 22_050, "audio", "too_short", "and 2 s are the least"),
        (2.5, None, "audio", "no_audio", "the file has no sound track"),
    ],
)
def test_what_cannot_be_used_says_why(
    tmp_path: Path, seconds: float, rate_hz: int | None, modality: str, failure: str, detail: str
) -> None:
    part = read(made(tmp_path / "a.mp4", seconds, rate_hz=rate_hz), modality=modality)
    assert part.failure == failure
    assert detail in str(part.detail)
    assert part.tracks == []


def test_pictures_need_no_sound_and_what_is_no_video_says_so(tmp_path: Path) -> None:
    assert read(made(tmp_path / "a.mp4", 2.5, rate_hz=None)).failure is None
    (tmp_path / "b.mp4").write_bytes(b"no video")
    assert read(Clip("b", str(tmp_path / "b.mp4"))).failure == "unreadable"


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"modality": "smell"}, "unknown modality 'smell'"), ({"side_px": 16}, "--side-px must be from 32"), ({"side_px": 2000}, "to 512")],
)
def test_what_cannot_work_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ReadStart(**settings)  # type: ignore[arg-type]
