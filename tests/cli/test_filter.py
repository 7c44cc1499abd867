from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from syncqc.cli.main import main
from syncqc.manifest import store
from syncqc.manifest.columns import schema
from syncqc.manifest.listing import LIST_STYLES
from syncqc.manifest.rules import ARTEFACTS

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def row(clip_id: str, part: int = 0, **more: Any) -> Row:
    return {
        "clip_id": clip_id, "path": f"/v/{clip_id}.mp4", "speaker": clip_id[0], "part_index": part, "track_index": 0, "start_s": 4.0 * part,
        "end_s": 4.0 * part + 4, "is_chosen_track": True, "probability_at_offset": 0.95, "offscreen_ratio": 0.0, "offset_frames": 0,
        "speech_ratio": 0.9, "frozen_ratio": 0.0, "face_width_px": 90.0, "is_offset_at_edge": False, "is_vfr": False,
    } | more  # fmt: skip


ROWS = [
    row("a"), row("a", 1, probability_at_offset=0.5), row("b", offscreen_ratio=0.5), row("c", offset_frames=7), row("d", failure="silent"),
    row("e", face_width_px=20.0), row("f", is_vfr=True), row("g", is_offset_at_edge=True), row("h", speech_ratio=0.1),
    row("i", frozen_ratio=0.9),
]  # fmt: skip


def written(name: str = "manifest.parquet", rows: list[Row] = ROWS) -> Path:
    of = schema().with_metadata({store.PROVENANCE_KEY: b"{}"})
    pq.write_table(store.table_of(rows).cast(of), name)
    return Path(name)


def clip_ids(path: str = "clean.parquet") -> str:
    return "".join(str(row["clip_id"]) for row in store.read_rows(Path(path)))


def test_without_arguments_manifest_parquet_becomes_clean_parquet(capsys: pytest.CaptureFixture[str]) -> None:
    written()
    assert main(["filter"]) == 0
    assert clip_ids() == "acefghi"
    said = capsys.readouterr().out
    assert "kept: 7 of 10 rows, 7 of 9 clips, 28 s of 40 s, 7 of 9 speakers" in said
    assert "not measured, rows: silent 1" in said
    assert "p 0.8  would keep 7 rows, 28 s\np 0.9  would keep 7 rows, 28 s  (as here)\n" in said
    assert said.endswith("clean.parquet\n")
    assert all(len(line) <= 80 for line in said.splitlines())


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--p", "0.4"], "aacefghi"),
        (["--offscreen", "0.6"], "abcefghi"),
        (["--max-offset", "1"], "aefghi"),
        (["--min-face-px", "64"], "acfghi"),
        (["--artefacts", "vfr, rotated"], ""),
        (["--artefacts", "vfr"], "aceghi"),
        (["--no-edge"], "acefhi"),
        (["--min-speech", "0.5"], "acefgi"),
        (["--max-frozen", "0.5"], "acefgh"),
        (["--where", "clip_id <> 'c'"], "aefghi"),
        (["--per", "clip"], "cefghi"),
        (["--per", "clip", "--min-share", "0.5"], "aacefghi"),
        (["--keep-all-tracks"], "acefghi"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_each_option_does_what_it_says(options: list[str], kept: str) -> None:
    written()
    assert main(["filter", *options]) == (0 if kept else 1)
    assert (clip_ids() if kept else Path("clean.parquet").exists()) == (kept or False)


def test_the_funnel_shows_the_rules_in_order_and_what_each_takes(capsys: pytest.CaptureFixture[str]) -> None:
    written()
    assert main(["filter", "--dry-run", "--max-offset", "1"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:7]]
    assert lines == [
        ["all", "10", "40", "s", "9"],
        ["measured", "1", "4", "s", "1", "9", "36", "s", "8"],
        ["chosen", "0", "0", "s", "-", "9", "36", "s", "8"],
        ["p", ">=", "0.9", "1", "4", "s", "-", "8", "32", "s", "8"],
        ["offscreen", "<=", "0.2", "1", "4", "s", "1", "7", "28", "s", "7"],
        ["max_offset", "-1", "to", "1", "1", "4", "s", "1", "6", "24", "s", "6"],
    ]
    assert not Path("clean.parquet").exists()


def test_drops_and_lists_are_written_beside(capsys: pytest.CaptureFixture[str]) -> None:
    written("m.parquet")
    assert main(["filter", "m.parquet", "-o", "c.parquet", "--drops", "d.parquet", "--list", "kept.txt"]) == 0
    assert capsys.readouterr().out.endswith("c.parquet\nd.parquet\nkept.txt\n")
    assert clip_ids("d.parquet") == "abd"
    assert Path("kept.txt").read_text().splitlines() == [f"/v/{clip}.mp4" for clip in "acefghi"]


def test_an_empty_result_is_a_sentence_and_an_exit_code_and_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    written()
    assert main(["filter", "--p", "0.99", "--list", "kept.txt"]) == 1
    said = capsys.readouterr()
    assert "error: nothing is left: p (>= 0.99) takes most, 9 of 10 rows; --p 0.95 would keep some" in said.err
    assert "kept: 0 of 10 rows" in said.out
    assert [path.name for path in Path().iterdir()] == ["manifest.parquet"]


def test_explain_shows_every_rule_of_every_row_of_a_clip(capsys: pytest.CaptureFixture[str]) -> None:
    written()
    assert main(["filter", "--explain", "a", "--max-offset", "1", "--where", "offset_frames = 0 and clip_id in ('a', 'b')"]) == 0
    said = capsys.readouterr().out
    assert "a: 1 of 2 rows kept" in said
    assert "part 0, face 0, 0 to 4 s: kept" in said
    assert "part 1, face 0, 4 to 8 s: dropped by p" in said
    assert [line.split() for line in said.splitlines() if line.startswith("  p ")] == [
        ["p", "probability_at_offset", "0.95", ">=", "0.9", "met"],
        ["p", "probability_at_offset", "0.5", ">=", "0.9", "not", "met"],
    ]
    assert not Path("clean.parquet").exists()
    assert main(["filter", "--explain", "a", "--per", "clip"]) == 0
    assert "the rules are met for 50%" in capsys.readouterr().out
    assert main(["filter", "--explain", "d"]) == 0
    assert "not measured: silent" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["no.parquet"], "there is no manifest no.parquet"),
        (["--p", "2"], "p is a share from 0 to 1, not 2"),
        (["--artefacts", "mpg4"], "unknown artefact 'mpg4'; did you mean 'mpeg4'?"),
        (["--artefacts", ","], "--artefacts names none"),
        (["--where", "margn > 1"], "unknown column 'margn'; did you mean 'margin'?"),
        (["--per", "clips"], "unknown per 'clips'; did you mean 'clip'?"),
        (["--min-share", "0.5"], "--min-share needs --per clip"),
        (["--dry-run", "--drops", "d.parquet"], "--dry-run writes nothing: leave out --drops and --list"),
        (["--explain", "a", "--list", "l.txt"], "--explain writes nothing: leave out --drops and --list"),
        (["--explain", "x"], "has no clip 'x'; did you mean"),
        (["--list-style", "lsr", "--list", "l.txt"], "unknown list style 'lsr'; did you mean 'lrs'?"),
        (["--out", "there.parquet"], "there.parquet is already there; --force replaces it"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_is_one_sentence_and_writes_nothing(options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    written()
    there = written("there.parquet").read_bytes()
    assert main(["filter", *options]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert Path("there.parquet").read_bytes() == there
    assert {path.name for path in Path().iterdir()} == {"manifest.parquet", "there.parquet"}


def test_help_names_every_artefact_and_list_style(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["filter", "--help"]) == 0
    said = capsys.readouterr().out
    assert ", ".join(ARTEFACTS) in said
    assert all(f"{style}:" in said for style in LIST_STYLES)
    assert "[default: (0.9)]" in said
