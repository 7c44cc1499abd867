from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syncqc.cli.main import main

sys.path.insert(0, str(Path(__file__).parent.parent / "report"))

from made_comparison import NEW, OLD, row, write_manifest


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    write_manifest(Path("old.parquet"), OLD)
    write_manifest(Path("new.parquet"), NEW)


def test_what_changed_is_shown_and_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old.parquet", "new.parquet"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Under the same rules NEW keeps 8 s more than OLD: 28 s against 20 s, of 40 s;")
    assert [line.split() for line in said.splitlines() if line.startswith(("by both", "only by", "by neither"))] == [
        ["by", "both", "3", "3", "12", "s"], ["only", "by", "OLD", "2", "1", "8", "s"], ["only", "by", "NEW", "4", "3", "16", "s"],
        ["by", "neither", "1", "0", "4", "s"],
    ]  # fmt: skip
    assert all(len(line) <= 80 for line in said.splitlines())
    assert sorted(path.name for path in Path().iterdir()) == ["new.parquet", "old.parquet"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--p", "0.4"], "32 s against 24 s"),
        (["--p", "0.4", "--max-offset", "2"], "28 s against 20 s"),
        (["--per", "clip"], "16 s against 20 s"),
        (["--per", "clip", "--min-share", "0.5"], "36 s against 20 s"),
        (["--where", "clip_id < 'd'"], "NEW keeps as much as OLD, 12 s of 40 s, though not the same 2 rows"),
        (["--keep-all-tracks", "--p", "0.1"], "36 s against 24 s"),
        (["--artefacts", "vfr"], "0 s of 40 s"),
    ],
    ids=" ".join,
)
def test_the_rules_are_those_of_the_filter(capsys: pytest.CaptureFixture[str], options: list[str], expected: str) -> None:
    assert main(["compare", "old.parquet", "new.parquet", *options]) == 0
    assert expected in " ".join(capsys.readouterr().out.split())


def test_the_same_manifest_is_said_to_be_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "new.parquet", "new.parquet"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Nothing that is compared differs: the 14 rows of 9 clips have the same failures")
    assert "versions, model and settings are the same" in said


def test_page_and_csv_are_written_and_named_last(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old.parquet", "new.parquet", "--out", "c.html", "--csv", "c.csv", "--p", "0.8", "--no-edge"]) == 0
    assert capsys.readouterr().out.endswith("c.html\nc.csv\n")
    text = Path("c.html").read_text(encoding="utf-8")
    assert "syncqc compare old.parquet new.parquet --out c.html --p 0.8 --offscreen 0.2 --no-edge" in text
    assert Path("c.csv").read_text(encoding="utf-8").count("\n") > 10
    assert sorted(path.name for path in Path().iterdir()) == ["c.csv", "c.html", "new.parquet", "old.parquet"]


def test_nothing_is_replaced_unless_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.csv").write_text("mine")
    assert main(["compare", "old.parquet", "new.parquet", "--csv", "c.csv"]) == 2
    assert capsys.readouterr().err == "error: c.csv is already there; --force replaces it\n"
    assert Path("c.csv").read_text() == "mine"
    assert main(["compare", "old.parquet", "new.parquet", "--csv", "c.csv", "--force"]) == 0
    assert Path("c.csv").read_text().startswith('"clip_id"')


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nothing.parquet", "new.parquet"], "there is no manifest nothing.parquet"),
        (["old.parquet", "text.parquet"], "text.parquet is not a manifest (not a Parquet file)"),
        (["old.parquet", "table.parquet"], "table.parquet is a Parquet file, but not a manifest written by syncqc"),
        (["unsorted.parquet", "new.parquet"], "the rows of unsorted.parquet are not sorted by clip_id; `syncqc merge"),
        (["old.parquet", "new.parquet", "--out", "c.htm"], "--out must end in .html, not c.htm"),
        (["old.parquet", "new.parquet", "--csv", "c.html"], "--csv must end in .csv, not c.html"),
        (["old.parquet", "new.parquet", "--out", "no/c.html"], "there is no folder no"),
        (["old.parquet", "new.parquet", "--out", "folder.html"], "folder.html is a folder"),
        (["old.parquet", "new.parquet", "--csv", "/proc/c.csv"], "cannot write to /proc: "),
        (["old.parquet", "new.parquet", "--out", "link.html", "--force"], "link.html is an input; choose another --out"),
        (["old.parquet", "new.parquet", "--p", "2"], "p is a share from 0 to 1, not 2"),
        (["old.parquet", "new.parquet", "--artefacts", "vfx"], "unknown artefact 'vfx'; did you mean 'vfr'?"),
        (["old.parquet", "new.parquet", "--min-share", "0.5"], "--min-share needs --per clip"),
        (["old.parquet", "new.parquet", "--where", "spekr = 'a'"], "unknown column 'spekr'; did you mean 'speaker'?"),
        (["old.parquet"], "missing argument 'NEW'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_is_one_sentence_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    Path("text.parquet").write_text("text")
    pq.write_table(pa.table({"clip_id": ["a"]}), "table.parquet")
    write_manifest(Path("unsorted.parquet"), [row("b"), row("a")])
    Path("folder.html").mkdir()
    Path("link.html").symlink_to("old.parquet")
    before = sorted(Path().iterdir())
    places = [] if "--out" in arguments or "--csv" in arguments else ["--out", "c.html", "--csv", "c.csv"]
    assert main(["compare", *arguments, *places]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {expected}")
    assert (said.err.count("\n"), said.out) == (1, "")
    assert sorted(Path().iterdir()) == before


def test_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["[bold]x[/bold]", "[link=http://a]"]
    write_manifest(Path("old.parquet"), [row(name, dataset=f"[red]{name}") for name in names])
    write_manifest(Path("new.parquet"), [row(name, dataset=f"[red]{name}", p=0.5) for name in names])
    assert main(["compare", "old.parquet", "new.parquet"]) == 0
    said = capsys.readouterr().out
    assert "[bold]x[/bold]" in said
    assert "[red][link=http://a]" in said
