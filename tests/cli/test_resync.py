from __future__ import annotations

import sys
from pathlib import Path

import pytest

from syncqc.cli.main import main
from syncqc.manifest import store
from syncqc.media.synthetic import Talk, draw

sys.path.insert(0, str(Path(__file__).parent))

from made_sources import heard_early, make_clip, make_manifest, row_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a clip that comes four images early and one nobody is sure of in ``videos``, and ``clean.parquet``."""
    monkeypatch.chdir(tmp_path)
    path = make_clip(tmp_path / "videos/a.mp4", 4)
    rows = [row_of("a", path.relative_to(tmp_path), 4), row_of("b", path, 4, clip_probability_in_sync=0.5)]
    make_manifest(tmp_path / "clean.parquet", rows, tmp_path / "videos")
    return tmp_path


def test_the_command_puts_a_clip_right_and_says_what_it_did(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resync", "--out", "out", "--verify", "none"]) == 0
    told = capsys.readouterr().out
    lines = {line.split()[0]: line.split()[1:4] for line in told.splitlines()}
    assert (lines["shifted"], lines["unsure"]) == (["1", "2", "s"], ["1", "2", "s"])
    assert "1 files written; none was measured again (--verify none)" in told
    assert told.rstrip().endswith(str(folder / "out/manifest.parquet"))
    assert heard_early(folder / "out/a.mp4") == pytest.approx(0, abs=0.05)
    assert (folder / "out/not-shifted.txt").read_text() == "unsure\tb\toffset +4, clip_probability_in_sync 0.500\n"


def test_options_reach_the_settings(folder: Path) -> None:
    make_manifest(folder / "m.parquet", [row_of("a", folder / "videos/a.mp4", 4, clip_probability_in_sync=0.5)], folder / "videos")
    options = ["--audio-codec", "flac", "--audio-rate", "8000", "--min-p", "0.4", "--link", "hard", "--skip"]
    assert main(["resync", "m.parquet", "--out", "out", "--verify", "none", *options]) == 0
    known = store.provenance(folder / "out/manifest.parquet")["resync"]
    given = {"audio_codec": "flac", "audio_rate_hz": 8000, "min_p": 0.4, "link": "hard", "skip": True, "verify": "none"}
    assert {name: value for name, value in known.items() if name in given} == given
    assert known["mode"] == "bake"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "missing option '--out'"),
        (["none.parquet", "--out", "out"], "there is no manifest none.parquet"),
        (["--out", "videos"], "is the folder of the source"),
        (["--out", "videos/new"], "lies inside of the folder of the source"),
        (["--out", "out", "--mode", "backe"], "did you mean 'bake'"),
        (["--out", "out", "--audio-codec", "pcm"], "pcm"),
        (["--out", "out", "--model", "nonsense"], "nonsense"),
        (["--out", "out", "--engine", "rey"], "did you mean 'ray'"),
    ],
    ids=lambda value: " ".join(value)[-20:] if isinstance(value, list) else "",
)
def test_a_wrong_command_stops_before_any_work(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    before = sorted(folder.rglob("*"))
    assert main(["resync", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
    assert sorted(folder.rglob("*")) == before


def test_a_clip_that_cannot_be_written_ends_with_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "videos/a.mp4").write_bytes(b"no video any more")
    assert main(["resync", "--out", "out", "--verify", "none"]) == 1
    assert "failed\ta\t" in (folder / "out/not-shifted.txt").read_text()


@pytest.mark.slow
def test_drawn_talking_heads_are_right_after_it_for_a_reader_that_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, offset in enumerate((-9, 1, 7), 1):
        (tmp_path / "videos").mkdir(exist_ok=True)
        draw(Talk(seed=seed, offset_frames=offset), tmp_path / "videos" / f"{seed}.mp4")
    assert main(["score", str(tmp_path / "videos"), "--out", str(tmp_path / "m.parquet")]) == 0
    assert main(["resync", str(tmp_path / "m.parquet"), "--out", str(tmp_path / "out"), "--verify", "all"]) == 0
    rows = list(store.read_rows(tmp_path / "out/manifest.parquet"))
    found = [(row["resync_status"], row["resync_shift_frames"], row["residual_offset_frames"]) for row in rows]
    assert [status for status, _, _ in found] == ["shifted", "in_time", "shifted"]
    for (_, shift, residual), planted in zip((found[0], found[2]), (-9, 7), strict=True):
        assert abs(int(str(shift)) - planted) <= 1
        assert abs(int(str(residual))) <= 1
    assert "2 measured again by index (OpenCV's pictures, a WAV file's samples): 2 within ±1" in capsys.readouterr().out
