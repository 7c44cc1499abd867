"""Parts of clips whose pictures carry their numbers, so that every picture and its time can be checked."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from syncqc.errors import ClipError, Failure, UsageError
from syncqc.media.probe import probe
from syncqc.media.resync import Repair, cut_part
from syncqc.media.sound import SoundReader

PCM = {"audio_codec": "pcm"}


def shown(path: Path, number_of: Callable[..., int]) -> list[tuple[int, float]]:
    with av.open(str(path)) as container:
        return [
            (number_of(frame.to_ndarray(format="rgb24")), round(float(frame.pts * frame.time_base), 3))
            for frame in container.decode(video=0)
        ]


def chirps_s(path: Path, chirps_in: Callable[..., list[float]]) -> list[float]:
    facts = probe(str(path))
    return chirps_in(SoundReader(str(path), facts.zero_s).read(0, facts.n_images * 640)[0])


def expected(fps: Fraction, n: int, start_s: float, end_s: float) -> list[tuple[int, float]]:
    """Which pictures are on show in the part, and from when on."""
    return [
        (k, round(max(0.0, float(k / fps) - start_s), 3))
        for k in range(n)
        if float((k + 1) / fps) > start_s + 0.0006 and float(k / fps) < end_s - 0.0006
    ]


PARTS = {
    "between key frames": (Fraction(25), 1.0, 3.0, ".mp4"),
    "from the start": (Fraction(25), 0.0, 2.0, ".mkv"),
    "29.97": (Fraction(30000, 1001), 1.0, 3.0, ".mp4"),
    "23.976": (Fraction(24000, 1001), 0.96, 2.92, ".mov"),
    "50": (Fraction(50), 1.0, 2.6, ".mp4"),
}


@pytest.mark.parametrize(("fps", "start_s", "end_s", "suffix"), PARTS.values(), ids=PARTS)
def test_a_part_holds_its_pictures_at_their_times_and_its_sound(
    make: Any, tmp_path: Path, fps: Fraction, start_s: float, end_s: float, suffix: str
) -> None:
    given = make.clip(".mp4", "-g", "40", "-bf", "2", fps=fps, sound_s=4.0, chirps_s=(0.5, 1.5, 2.25))
    codec = "pcm" if suffix != ".mp4" else "flac"
    for shift in (0, 6, -6) if fps == 25 else (-6,):
        done = cut_part(given, out := tmp_path / f"out{suffix}", start_s, end_s, Repair(shift, audio_codec=codec))  # type: ignore[arg-type]
        found, right = shown(out, make.number_of), expected(fps, int(4 * fps), start_s, end_s)
        assert [number for number, _ in found] == [number for number, _ in right]
        assert [time_s for _, time_s in found] == pytest.approx([time_s for _, time_s in right], abs=0.0011)
        heard = [
            time_s + shift / 25 - start_s for time_s in (0.5, 1.5, 2.25) if 0.03 < time_s + shift / 25 - start_s < end_s - start_s - 0.03
        ]
        assert chirps_s(out, make.chirps_in) == pytest.approx(heard, abs=0.002)
        assert done.pad_s == (0.24 if start_s == 0 and shift > 0 else pytest.approx(0, abs=0.02))


def test_the_same_part_gives_the_same_bytes(make: Any, tmp_path: Path) -> None:
    given = make.clip(".mp4", sound_s=4.0)
    for name in ("one", "two"):
        cut_part(given, tmp_path / f"{name}.mp4", 1.0, 2.0, Repair(3))
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_a_part_with_pictures_at_no_constant_rate(make: Any, tmp_path: Path) -> None:
    kept = (0, 1, 2, 5, 6, 20, 21, 22, 30, 33, 34, 35, 48, 49)
    given = make.clip(".mkv", kept=kept, sound_s=2.0)
    cut_part(given, out := tmp_path / "out.mkv", 0.4, 1.4, Repair(0))
    assert shown(out, make.number_of) == [(6, 0), (20, 0.4), (21, 0.44), (22, 0.48), (30, 0.8), (33, 0.92), (34, 0.96)]


def test_a_turned_picture_is_upright_and_keeps_its_shape(make: Any, tmp_path: Path) -> None:
    given = make.clip(".mp4", "-vf", "setsar=2/1", sound_s=2.0)
    turned = bytearray(given.read_bytes())
    at = turned.index(b"tkhd") + 44
    turned[at : at + 16] = (0).to_bytes(4, "big") + (1 << 16).to_bytes(4, "big") + bytes(4) + (-1 << 16).to_bytes(4, "big", signed=True)
    turned[at + 16 : at + 20] = bytes(4)
    (path := tmp_path / "turned.mp4").write_bytes(turned)
    before = probe(str(path))
    cut_part(path, out := tmp_path / "out.mp4", 0.0, 1.0, Repair(0))
    after = probe(str(out))
    assert before.rotation_deg == 270
    assert (after.rotation_deg, after.width_px / after.height_px) == (0, pytest.approx(before.width_px / before.height_px))
    with av.open(str(out)) as container:
        column = next(container.decode(video=0)).to_ndarray(format="rgb24")
    with av.open(str(given)) as container:
        row = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert column.shape[:2] == row.shape[1::-1]


def test_what_cannot_be_cut_is_refused(make: Any, tmp_path: Path) -> None:
    given = make.clip(".mp4", sound_s=2.0)
    with pytest.raises(UsageError, match="remux cuts nothing"):
        cut_part(given, tmp_path / "o.mp4", 0, 1, Repair(1, "remux"))
    with pytest.raises(UsageError, match="not 1 to 1 s"):
        cut_part(given, tmp_path / "o.mp4", 1, 1, Repair(1))
    with pytest.raises(UsageError, match=r"not into \.avi"):
        cut_part(given, tmp_path / "o.avi", 0, 1, Repair(1, audio_codec="pcm"))
    with pytest.raises(ClipError) as caught:
        cut_part(given, tmp_path / "o.mp4", 5, 6, Repair(1))
    assert caught.value.failure is Failure.TOO_SHORT
    assert list(tmp_path.iterdir()) == []
