from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from syncqc.engine import resync_out
from syncqc.engine.resync import Decisions, ResyncSettings, decide
from syncqc.engine.resync_out import (
    WORK,
    check_place,
    clear,
    finished,
    held,
    needed_bytes,
    refuse_changes,
    remove_leftovers,
    tried_link,
)
from syncqc.errors import UsageError
from syncqc.stages.put_right import Repairable

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from made_sources import make_manifest, row_of


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder ``data/videos`` with a file of 1000 bytes."""
    folder = tmp_path / "data" / "videos"
    folder.mkdir(parents=True)
    (folder / "x.mp4").write_bytes(bytes(1000))
    return folder


def decisions(tmp_path: Path, source: Path, out: Path, recorded: Path | None) -> Decisions:
    manifest = make_manifest(tmp_path / "m.parquet", [row_of("x", source / "x.mp4", 5)], recorded)
    return decide(manifest, out, ResyncSettings())


@pytest.mark.parametrize("is_recorded", [True, False], ids=["recorded", "told by the names"])
@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("data/videos", "is the folder of the source"),
        ("data/videos/new", "lies inside of the folder of the source"),
        ("data", "contains the folder of the source"),
        ("link/new", "lies inside of the folder of the source"),
    ],
)
def test_the_source_is_never_written_into(tmp_path: Path, source: Path, out: str, sentence: str, is_recorded: bool) -> None:
    (tmp_path / "link").symlink_to(source)
    with pytest.raises(UsageError, match=sentence):
        check_place(tmp_path / out, decisions(tmp_path, source, tmp_path / out, source if is_recorded else None))


def test_a_list_of_files_beside_the_output_is_no_hindrance(tmp_path: Path, source: Path) -> None:
    (tmp_path / "list.csv").write_text("path\n")
    check_place(tmp_path / "new", decisions(tmp_path, source, tmp_path / "new", tmp_path / "list.csv"))
    with pytest.raises(UsageError, match="contains files of the source"):
        check_place(tmp_path / "data", decisions(tmp_path, source, tmp_path / "data", tmp_path / "list.csv"))


def test_only_a_new_an_empty_or_our_own_folder_is_written(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    known = decisions(tmp_path, source, out, source)
    check_place(out, known)
    out.mkdir()
    check_place(out, known)
    (out / "thesis.tex").touch()
    with pytest.raises(UsageError, match="is not empty and was not made by `syncqc resync`"):
        check_place(out, known)
    (out / WORK).mkdir()
    check_place(out, known)
    shutil.rmtree(out)
    out.touch()
    with pytest.raises(UsageError, match="is a file"):
        check_place(out, known)


def test_a_manifest_of_score_does_not_make_a_folder_ours(tmp_path: Path) -> None:
    make_manifest(tmp_path / "manifest.parquet", [])
    assert finished(tmp_path) is None


def test_a_finished_folder_is_not_mixed_with_other_settings() -> None:
    before = {"resync": {"mode": "bake", "link": "copy"}, "source_manifest": {"sha256": "1"}}
    refuse_changes(Path("out"), before, {"mode": "bake"}, {"sha256": "1"})
    with pytest.raises(UsageError, match="out was made with mode 'bake' -> 'remux', another manifest"):
        refuse_changes(Path("out"), before, {"mode": "remux"}, {"sha256": "2"})


def test_one_run_at_a_time_has_the_folder_and_an_empty_one_goes(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with held(out) as work:
        assert work == out / WORK
        with pytest.raises(UsageError, match="another syncqc is writing into"), held(out):
            pass
        assert work.is_dir()
    assert not (tmp_path / "new").exists()
    with held(out) as work:
        (work / "done").touch()
    assert (work / "done").exists()


def test_a_folder_with_files_stays_ours_until_it_is_finished(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    with held(out) as work:
        (out / "x.mp4").touch()
        clear(work, is_finished=False)
    check_place(out, decisions(tmp_path, source, out, source))
    with held(out) as work:
        (work / "journal.parts").mkdir()
        clear(work, is_finished=True)
    assert [path.name for path in out.iterdir()] == ["x.mp4"]


def test_leftovers_are_ours_by_name_and_place(tmp_path: Path) -> None:
    jobs = [Repairable("a/x", "x.mp4", out_path=str(tmp_path / "a/x.mp4"), out_audio_path=str(tmp_path / "s/x.m4a"))]
    ours = ["a/.x.mp4.0123abcd.part", "a/.x.mp4.0123abcd.part.mp4", "s/.x.m4a.0123abcd.part.m4a", ".manifest.parquet.0123abcd.part"]
    others = ["a/.y.mp4.0123abcd.part", "a/x.mp4", "a/.x.mp4.part", "b/.x.mp4.0123abcd.part", "a/x.mp4.0123abcd.part"]
    for name in ours + others:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert remove_leftovers(tmp_path, jobs) == len(ours)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(others)


def test_what_is_there_or_linked_needs_no_room(tmp_path: Path) -> None:
    for name, n in (("a.mp4", 1000), ("b.mp4", 100), ("b.wav", 10), ("done.mp4", 5000)):
        (tmp_path / name).write_bytes(bytes(n))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "done.mp4").touch()

    def job(name: str, shift: int, sound: str | None = None) -> Repairable:
        out, audio = str(tmp_path / "out" / name), None if sound is None else str(tmp_path / sound)
        return Repairable(name, str(tmp_path / name), audio, shift_frames=shift, out_path=out, out_audio_path=audio and f"{out}.wav")

    jobs = [job("a.mp4", 3), job("b.mp4", 3, "b.wav"), job("done.mp4", 3), job("gone.mp4", 3)]
    assert needed_bytes(jobs, "copy") == 1110
    assert needed_bytes(jobs, "hard") == 1010
    assert needed_bytes([job("a.mp4", 0)], "sym") == 0
    with pytest.raises(UsageError, match=r"not even .*gone\.mp4; name the folder of relative paths with --root"):
        needed_bytes([job("gone.mp4", 3)], "copy")


def test_a_link_is_tried_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.mp4").write_bytes(bytes(10))
    job = Repairable("x", str(tmp_path / "x.mp4"), out_path=str(tmp_path / "out.mp4"))
    assert tried_link(tmp_path, [job], "hard") == "hard"
    assert tried_link(tmp_path, [job], "copy") in ("copy", "reflink")
    assert tried_link(tmp_path, [], "sym") is None

    def cannot(*_: object) -> None:
        raise UsageError("no hard link")

    monkeypatch.setattr(resync_out, "place", cannot)
    with pytest.raises(UsageError, match="no hard link"):
        tried_link(tmp_path, [job], "hard")
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]
