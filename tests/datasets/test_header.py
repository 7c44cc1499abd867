from __future__ import annotations

from pathlib import Path

import pytest

from syncqc.datasets.header import header_of, headers_of
from syncqc.media.mux import run_ffmpeg


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound from 10.0 s on, 25 pictures from 10.2 s on."""
    path = tmp_path_factory.mktemp("header") / "late.mkv"
    picture = ["-itsoffset", "10.2", "-f", "lavfi", "-i", "color=size=32x32:rate=25:duration=1"]
    sound = ["-itsoffset", "10", "-f", "lavfi", "-i", "sine=440:duration=1.2"]
    run_ffmpeg([*picture, *sound, "-c:v", "libx264", "-bf", "0", "-c:a", "pcm_s16le", "-copyts", str(path)])
    return path


def test_the_header_says_where_clocks_begin(late: Path) -> None:
    header = header_of(str(late))
    assert header is not None
    assert header.start_s == pytest.approx(10.0, abs=0.001)
    assert header.picture_start_s == pytest.approx(10.2, abs=0.001)
    assert header.fps == 25
    assert header.has_sound


def test_a_sound_file_has_no_pictures(late: Path, tmp_path: Path) -> None:
    run_ffmpeg(["-i", str(late), "-vn", str(tmp_path / "a.wav")])
    header = header_of(str(tmp_path / "a.wav"))
    assert header is not None
    assert (header.picture_start_s, header.picture_length_s, header.n_pictures(), header.has_sound) == (None, None, None, True)


def test_what_cannot_be_opened_has_no_header_and_the_order_is_kept(late: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    found = list(headers_of([str(tmp_path / "text.mp4"), str(late), str(tmp_path / "nowhere.mp4")]))
    assert [header is not None for header in found] == [False, True, False]
