from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from skimage.data import astronaut

from syncqc.cli import inspect as inspect_module
from syncqc.cli.inspect import Wanted, clip_of
from syncqc.cli.inspect_view import Matrices
from syncqc.cli.main import main
from syncqc.engine.assemble import ClipResult
from syncqc.manifest.row import Clip, Row
from syncqc.nets.checkpoint import Header, new_network, store


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of that name; what it holds does not matter where measuring is stood in for."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"video")
    return path


def measured_row(part: int, track: int = 0) -> Row:
    return {
        "part_index": part, "n_parts": 2, "track_index": track, "start_s": 4.0 * part, "end_s": 4.0 * (part + 1),
        "is_chosen_track": track == 0,
        "offset_frames": 2, "offset_ms": 80.0, "is_offset_at_edge": False, "margin": 0.3, "probability_at_offset": 0.95,
        "probability_in_sync": 0.98, "offscreen_ratio": 0.1, "onscreen": [{"start_s": 4.0 * part + 1, "end_s": 4.0 * part + 2}],
        "n_windows": 96, "speech_ratio": 0.7,
    }  # fmt: skip


def failed_row(part: int, failure: str = "no_face", detail: str = "no face on 20 images looked at") -> Row:
    return {"part_index": part, "n_parts": 2, "start_s": 4.0 * part, "end_s": 4.0 * (part + 1), "failure": failure, "detail": detail}


def give(monkeypatch: pytest.MonkeyPatch, rows: list[Row]) -> None:
    """Stands in for measuring: a video with these rows."""
    cells = np.full((31, 96), -0.2, "<f2")
    cells[13] = 0.2
    lines: list[Row] = [
        {"part_index": r["part_index"], "track_index": r["track_index"], "w": 15, "n_windows": 96, "matrix": cells.tobytes()}
        for r in rows
        if "failure" not in r
    ]
    result = ClipResult(Clip("talk", "talk.mp4"), rows, [], lines)
    monkeypatch.setattr(inspect_module, "measure", lambda *_: (result, Matrices(lines, 0.1, 0)))


def test_a_measured_video_is_shown_drawn_and_judged(
    video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, [measured_row(0), measured_row(1)])
    assert main(["inspect", str(video)]) == 0
    assert Path("talk.sync.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "talk.mp4: the sound leads the picture by 2 images (80 ms)" in said
    assert "the picture does not show the face: cannot be opened: " in said, "the file is no video"
    assert "wrote talk.sync.png" in said
    assert "+2 (+80 ms)" in said


def test_parts_that_failed_beside_measured_ones_are_named(
    video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, [measured_row(0), failed_row(1)])
    assert main(["inspect", str(video), "--out", "map.png"]) == 0
    assert "part 1: no_face: no face on 20 images looked at" in capsys.readouterr().out
    assert Path("map.png").is_file()


def test_a_video_that_was_not_measured_gives_the_reason_code_1_and_no_picture(
    video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, [failed_row(0, "silent", "the sound of this part is digital silence"), failed_row(1)])
    assert main(["inspect", str(video)]) == 1
    assert capsys.readouterr().err == "not measured: silent: the sound of this part is digital silence; no picture was written\n"
    assert not Path("talk.sync.png").exists()


def test_a_track_can_be_chosen(video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    give(monkeypatch, [measured_row(0), measured_row(0, track=1)])
    assert main(["inspect", str(video), "--track", "1"]) == 0
    assert main(["inspect", str(video), "--track", "2", "--force"]) == 2
    assert capsys.readouterr().err == "error: no part of this clip has a face track 2; there are 0, 1\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["tlak.mp4"], "there is no file tlak.mp4", id="no video"),
        pytest.param(["."], ". is no file; inspect looks at one video (for a folder: syncqc score)", id="folder"),
        pytest.param(["talk.mp4", "--audio", "talk.wav"], "there is no file talk.wav", id="no sidecar"),
        pytest.param(["talk.mp4", "--out", "map.jpg"], "--out must end in .png, not map.jpg", id="no png"),
        pytest.param(["talk.mp4", "--out", "maps/map.png"], "there is no folder maps to write map.png into", id="no folder"),
        pytest.param(["talk.mp4", "--out", "old.png"], "old.png is already there; --force replaces it", id="already there"),
        pytest.param(["talk.mp4", "--out", "talk.mp4"], "talk.mp4 is an input; choose another --out", id="the video"),
        pytest.param(["talk.mp4", "--out", "link.png", "--force"], "link.png is an input; choose another --out", id="a link to the video"),
        pytest.param(["talk.mp4", "--out", "dir.png", "--force"], "dir.png is a folder; --out must name a file", id="out is a folder"),
        pytest.param(
            ["talk.mp4", "page.html"], "what is page.html for? A page is written with --html, a picture with --out", id="no --html"
        ),
        pytest.param(["talk.mp4", "--to", "9"], "--from and --to choose what a page shows: add --html", id="a stretch of no page"),
        pytest.param(["talk.mp4", "--html", "page.png"], "the page must end in .html, not page.png", id="no html"),
        pytest.param(["talk.mp4", "--html", "old.html"], "old.html is already there; --force replaces it", id="page already there"),
        pytest.param(
            ["talk.mp4", "--html", "link.html", "--force"],
            "link.html is an input; choose another name for the page",
            id="page is the video",
        ),
        pytest.param(["talk.mp4", "--html", "--from", "5", "--to", "5"], "--to must come after --from, not 5 after 5", id="no stretch"),
        pytest.param(["talk.mp4", "--html", "--from", "inf"], "--from and --to are numbers of seconds", id="no number"),
        pytest.param(
            ["talk.mp4", "--audio-start", "2"], "--audio-start speaks of the file of --audio, and there is none", id="start of nothing"
        ),
        pytest.param(
            ["talk.mp4", "--face", "320,180"], "--face must be X,Y with both in 0-1, for instance 0.5,0.4, not 320,180", id="face in pixels"
        ),
        pytest.param(["talk.mp4", "--face", "0.5"], "--face must be X,Y with both in 0-1, for instance 0.5,0.4, not 0.5", id="half a face"),
    ],
)
def test_a_wrong_command_stops_before_any_work(
    video: Path, arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("old.png").write_text("old")
    Path("old.html").write_text("old")
    Path("link.png").symlink_to(video)
    Path("link.html").symlink_to(video)
    Path("dir.png").mkdir()
    monkeypatch.setattr(inspect_module, "measure", lambda *_: pytest.fail("work was done"))
    assert main(["inspect", *arguments]) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"
    assert Path("old.png").read_text() == "old"
    assert video.read_bytes() == b"video"


def test_sidecar_start_and_listed_face_are_those_of_a_list() -> None:
    clip = clip_of(Path("a/talk.mp4"), Path("talk.wav"), 2.5, "0.25,0.5")
    assert (clip.clip_id, clip.audio_start_s, clip.listed_face_x, clip.listed_face_y) == ("talk", 2.5, 0.25, 0.5)
    assert clip.audio_path == str(Path("talk.wav").resolve())
    assert clip_of(Path("talk.mp4"), None, None, None) == Clip("talk", str(Path("talk.mp4").resolve()))


def test_a_page_is_written_in_place_of_the_picture(
    video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, [measured_row(0), measured_row(1)])
    assert main(["inspect", str(video), "--html"]) == 1, "what the file holds is no video, so the page has none"
    out, err = capsys.readouterr()
    page = Path("talk.sync.html").read_text()
    assert "No video: cannot be opened: " in page
    assert "The page holds everything" in page
    assert "wrote talk.sync.html (" in out
    assert "MB, 0 to 8 s of 8.0 s)" in out
    assert err.startswith("the page has no video: cannot be opened: ")
    assert not Path("talk.sync.png").exists()


def test_page_and_picture_can_both_be_asked_for(video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    give(monkeypatch, [measured_row(0), measured_row(1)])
    assert main(["inspect", str(video), "--html", "a.html", "--out", "a.png", "--from", "4", "--to", "6"]) == 1
    assert "wrote a.html (" in (said := capsys.readouterr().out)
    assert "4 to 6 s of 8.0 s" in said
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")
    assert "This page holds 4 to 6 s of the 8.0 s of the clip" in Path("a.html").read_text()


def test_a_hostile_name_is_shown_as_it_is(video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    give(monkeypatch, [measured_row(0)])
    hostile = video.with_name("<img src=x onerror=alert(1)>[red].mp4")
    hostile.write_bytes(b"video")
    main(["inspect", str(hostile), "--html"])
    page = Path("<img src=x onerror=alert(1)>[red].sync.html").read_text()
    assert "<h1>&lt;img src=x onerror=alert(1)&gt;[red].mp4</h1>" in page
    assert "<img" not in page.split("<script")[0]
    assert "<img src=x onerror=alert(1)>[red].mp4: the sound leads" in capsys.readouterr().out


def test_a_page_of_what_was_not_measured_says_why(video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    give(monkeypatch, [failed_row(0, "silent", "the sound of this part is digital silence"), failed_row(1)])
    assert main(["inspect", str(video), "--html"]) == 1
    assert "silent: the sound of this part is digital silence; the page says so too\n" in capsys.readouterr().err
    assert "nothing was measured: silent: the sound of this part is digital silence" in Path("talk.sync.html").read_text()
    assert main(["inspect", str(video), "--html", "--out", "a.png", "--force"]) == 1
    assert capsys.readouterr().err.endswith("digital silence; no picture was written; the page says so too\n")


def test_a_page_that_begins_behind_the_end_is_refused(
    video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, [measured_row(0)])
    assert main(["inspect", str(video), "--html", "--from", "4"]) == 2
    assert capsys.readouterr().err == "error: the clip lasts 4.00 s; --from 4 lies behind it\n"
    assert not Path("talk.sync.html").exists()


def test_force_replaces_an_older_picture(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, [measured_row(0)])
    Path("talk.sync.png").write_text("old")
    assert main(["inspect", str(video), "--force"]) == 0
    assert Path("talk.sync.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_written_is_one_sentence(
    video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    give(monkeypatch, [measured_row(0)])
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full_disk)
    assert main(["inspect", str(video)]) == 2
    assert capsys.readouterr().err == "error: cannot write talk.sync.png: No space left on device\n"


def write_still_face(path: Path, n_images: int) -> None:
    """A video of one face that does not move, with noise for a voice."""
    picture = np.ascontiguousarray(astronaut()[:256, 96:352])
    noise = (3000 * np.random.default_rng(0).normal(size=(1, 640 * n_images))).astype(np.int16)
    with av.open(str(path), "w") as container:
        images = container.add_stream("libx264", 25, width=256, height=256, pix_fmt="yuv420p")
        voice = container.add_stream("aac", 16_000, layout="mono")
        for _ in range(n_images):
            container.mux(images.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(images.encode())
        for i in range(0, noise.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(noise[:, i : i + 1024]), layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, i, Fraction(1, 16_000)
            container.mux(voice.encode(frame))
        container.mux(voice.encode())


@pytest.mark.slow
def test_a_real_file_goes_all_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    network = new_network("ic-syncnet.small")
    calibration = {"version": 1, "feature_names": ["margin"], "weights": [10.0], "bias": -2.0}
    store(tmp_path / "untrained.safetensors", network, Header("untrained", asdict(network.config), tau=0.1, calibration=calibration))
    write_still_face(tmp_path / "still.mp4", n_images=40)
    assert main(["inspect", "still.mp4", "--model", "untrained.safetensors"]) == 0
    said = capsys.readouterr().out
    assert "still.mp4: " in said
    assert "does not show the face" not in said
    assert (tmp_path / "still.sync.png").read_bytes().startswith(b"\x89PNG")
    # an untrained network knows nothing, so no number is looked at here; the matrix must be that of the row
    clip = clip_of(tmp_path / "still.mp4", None, None, "0.5,0.5")
    result, matrices = inspect_module.measure(clip, str(tmp_path / "untrained.safetensors"), None, None)
    inspect_module.show(tmp_path / "still.mp4", Wanted(page=tmp_path / "still.html"), result, matrices)
    assert '<video id="video"' in (tmp_path / "still.html").read_text()
    (row,) = result.rows
    assert row["is_listed_face"] is True
    cells = matrices.cells(row)
    assert cells.shape[1] == 36
    curve = np.array([np.nan if value is None else value for value in row["similarity"]])  # type: ignore[attr-defined]
    n_valid = (~np.isnan(cells)).sum(axis=1)
    np.testing.assert_allclose(np.nansum(cells, axis=1)[n_valid >= 18] / n_valid[n_valid >= 18], curve[n_valid >= 18], atol=1e-3)
