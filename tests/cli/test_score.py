from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syncqc.cli import score_run
from syncqc.cli.main import main
from syncqc.engine import journal as journals
from syncqc.engine import plan as plans
from syncqc.manifest import store

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

from fake_plan import FakeRead, fake_plan


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files that the fake plan reads by their names; every reading is noted in ``notes``."""
    folder = tmp_path / "videos"
    for name in ("s1/ok-1.mp4", "s1/ok-2.mp4", "s2/ok-3.mp4"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    notes = tmp_path / "notes"
    notes.touch()
    monkeypatch.setattr(plans, "default_plan", lambda **_: fake_plan(FakeRead(note_path=str(notes))))
    monkeypatch.chdir(tmp_path)
    return folder


def read_so_far() -> list[str]:
    return sorted(Path("notes").read_text().split())


def test_a_folder_becomes_a_manifest_and_a_summary(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(videos)]) == 0
    assert [row["clip_id"] for row in store.read_rows(Path("manifest.parquet"))] == ["s1/ok-1"] * 2 + ["s1/ok-2"] * 4 + ["s2/ok-3"] * 6
    told = capsys.readouterr()
    assert "3 clips, 12 rows, 2 s: 12 rows measured" in told.out
    assert told.out.rstrip().endswith("manifest.parquet")
    assert "engine: local (3 files" in told.err
    known = store.provenance(Path("manifest.parquet"))
    assert (known["engine"], known["settings"]["source"], known["settings"]["fake_faces.n_tracks"]) == ("local", str(videos), 2)
    assert {"schema_version", "syncqc", "pyav", "ffmpeg"} <= known.keys()


def test_the_same_command_again_does_only_what_is_missing(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["score", str(videos)])
    capsys.readouterr()
    assert main(["score", str(videos)]) == 0
    assert capsys.readouterr().out == "manifest.parquet is already complete: 3 clips\n"
    (videos / "a.mp4").touch()
    assert main(["score", str(videos)]) == 0
    assert read_so_far() == ["a", "s1/ok-1", "s1/ok-2", "s2/ok-3"]
    assert sorted(store.read_clip_ids([Path("manifest.parquet")])) == ["a", "s1/ok-1", "s1/ok-2", "s2/ok-3"]


def test_too_many_failures_end_with_one_and_a_table_of_reasons(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("exit-0", "clip_error-0", "clip_error-1"):
        (videos / f"{name}.mp4").touch()
    assert main(["score", str(videos), "--max-failures", "0.3"]) == 1
    told = capsys.readouterr()
    assert "33.3% of the files were not measured, more than --max-failures 0.3" in told.err
    words = {line.split()[0]: line.split()[1:4] for line in told.out.splitlines() if line.startswith(("unreadable", "crashed"))}
    assert words == {"unreadable": ["1", "16.7%", "2"], "crashed": ["1", "16.7%", "1"]}
    assert "the file cannot be opened or decoded" in told.out
    assert main(["score", str(videos), "--max-failures", "0.4"]) == 0


def test_failures_count_in_a_resumed_run_too(videos: Path) -> None:
    for name in ("exit-0", "clip_error-0"):
        (videos / f"{name}.mp4").touch()
    assert main(["score", str(videos)]) == 1
    assert main(["score", str(videos)]) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--engine", "rey"], "unknown engine 'rey'; did you mean 'ray'"),
        (["--engine", "local", "--ray-address", "auto"], "--ray-address needs --engine ray"),
        (["--shard", "0/4"], "--shard must be i/n with i from 1 to n, like 3/8, not 0/4"),
        (["--shard", "5/4"], "not 5/4"),
        (["--out", "m.csv"], "--out must name a .parquet file"),
        (["--audio-root", "nowhere"], "there is no folder nowhere"),
        (["--log", "no/such/folder.log"], "cannot write the log"),
        (["--max-failures", "2"], "--max-failures"),
        (["--workers", "0"], "--workers"),
    ],
    ids=lambda value: "".join(value)[2:20] if isinstance(value, list) else "",
)
def test_a_wrong_command_stops_before_any_work(videos: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str) -> None:
    assert main(["score", str(videos), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
    assert read_so_far() == []
    assert not Path("manifest.parquet").exists()
    assert not Path("manifest.parquet.parts").exists()


def test_an_empty_folder_is_one_sentence(videos: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["score", "empty"]) == 2
    assert "there are no videos in empty" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--model", "--detector"])
def test_a_misspelt_network_or_detector_is_named(
    option: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["score", str(tmp_path), option, "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


def test_other_settings_for_a_manifest_under_way_are_refused(
    videos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["score", str(videos)])
    monkeypatch.setattr(plans, "default_plan", lambda **_: fake_plan(FakeRead(images_per_part=12, note_path=str(Path("notes").resolve()))))
    assert main(["score", str(videos)]) == 2
    assert "fake_read.images_per_part 10 -> 12" in capsys.readouterr().err
    assert main(["score", str(videos), "--restart"]) == 0
    assert next(store.read_rows(Path("manifest.parquet")))["n_images"] == 12


def test_a_sample_writes_nothing_and_tells_what_all_would_take(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(Path().iterdir())
    assert main(["score", str(videos), "--sample", "2"]) == 0
    assert set(Path().iterdir()) == before
    assert len(read_so_far()) == 2
    told = capsys.readouterr().out
    assert "all 3 clips: about" in told
    assert "core-hours" in told


def test_shares_hold_every_clip_once_and_merge_to_the_whole(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(12):
        (videos / f"g{i}").mkdir()
        (videos / f"g{i}" / "ok-1.mp4").touch()
    main(["score", str(videos), "--out", "whole.parquet"])
    for share in ("1/2", "2/2"):
        assert main(["score", str(videos), "--shard", share, "--out", f"m{share[0]}.parquet"]) == 0
    assert main(["merge", "m1.parquet", "m2.parquet"]) == 0
    for place in (Path, lambda path: store.tracks_path(Path(path))):
        assert pq.read_table(place("manifest.parquet")).to_pylist() == pq.read_table(place("whole.parquet")).to_pylist()
    capsys.readouterr()
    assert main(["score", str(videos)]) == 0, "the merged manifest is that of the whole folder"
    assert "already complete: 15 clips" in capsys.readouterr().out


def test_a_share_depends_on_nothing_but_the_name(videos: Path) -> None:
    from syncqc.manifest.row import Clip

    clips = [Clip(f"c{i}", "") for i in range(40)]
    shares = [score_run.share_of(clips, f"{i}/3") for i in (1, 2, 3)]
    assert sorted((clip for share in shares for clip in share), key=lambda clip: clip.clip_id) == sorted(
        clips, key=lambda clip: clip.clip_id
    )
    assert score_run.share_of(clips[::2], "2/3") == [clip for clip in shares[1] if clip in clips[::2]]


def test_a_name_that_is_no_utf8_is_scored_and_resumed(videos: Path) -> None:
    (videos / os.fsdecode(b"\xff")).mkdir()
    (videos / os.fsdecode(b"\xff") / "ok-1.mp4").touch()
    assert main(["score", str(videos)]) == 0
    main(["score", str(videos)])
    assert read_so_far().count(r"\udcff/ok-1") == 1


def test_the_log_holds_the_traceback_and_the_terminal_one_line(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (videos / "raise-0.mp4").touch()
    main(["score", str(videos), "--log", "run.log"])
    assert "ValueError: the stage has" in Path("run.log").read_text()
    told = capsys.readouterr().err
    assert "error: a stage failed on" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("name", "address", "n_clips", "n_cores", "engine"),
    [
        ("auto", None, 201, 5, "ray"),
        ("auto", None, 200, 64, "local"),
        ("auto", None, 10**6, 4, "local"),
        ("auto", "10.0.0.1:6379", 1, 1, "ray"),
        ("ray", None, 1, 1, "ray"),
        ("local", None, 10**6, 64, "local"),
    ],
)
def test_the_engine_is_chosen_by_the_work_and_the_machine(
    monkeypatch: pytest.MonkeyPatch, name: str, address: str | None, n_clips: int, n_cores: int, engine: str
) -> None:
    monkeypatch.setattr(score_run, "n_cores", lambda: n_cores)
    assert score_run.Engine(name, address).settled(n_clips)[0] == engine


def test_help_shows_the_defaults_of_the_stages(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["score", "--help"]) == 0
    told = capsys.readouterr().out
    assert "ic-syncnet.small" in told
    assert "centerface" in told
    assert "300" in told


def test_a_full_disk_is_one_sentence_and_the_same_command_goes_on(
    videos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.write_table
    left = [2]

    def fills_up(path: Path, table: pa.Table) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, table)

    with monkeypatch.context() as patched:
        patched.setattr(journals, "CLIPS_PER_SHARD", 1)
        patched.setattr(store, "write_table", fills_up)
        assert main(["score", str(videos)]) == 1
    assert "error: cannot write manifest.parquet.parts: No space left on device; mend that" in capsys.readouterr().err
    assert main(["score", str(videos)]) == 0
    assert len(list(store.read_clip_ids([Path("manifest.parquet")]))) == 3


def test_an_interrupted_run_says_how_to_go_on(videos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(journal: journals.Journal) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(journals.Journal, "finish", interrupted)
        assert main(["score", str(videos)]) == 130
    assert "stopped: 3 of 3 clips are done; the same command goes on from here" in capsys.readouterr().err
    assert main(["score", str(videos)]) == 0
    assert len(read_so_far()) == 3
