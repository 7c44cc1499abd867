from __future__ import annotations

from pathlib import Path

import pytest

from syncqc.manifest.aside import written_aside


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "whole.bin"
    with written_aside(path) as aside:
        aside.write_text("new")
        assert aside.parent == tmp_path
        assert not path.exists()
    assert path.read_text() == "new"
    with pytest.raises(RuntimeError, match="stopped"), written_aside(path) as aside:
        aside.write_text("half")
        raise RuntimeError("stopped")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["new"]


@pytest.mark.parametrize(("keeps_suffix", "end"), [(False, ".part"), (True, ".part.mp4")], ids=["by format", "by suffix"])
def test_writers_that_go_by_the_suffix_are_given_it(keeps_suffix: bool, end: str, tmp_path: Path) -> None:
    with written_aside(tmp_path / "clip.mp4", keeps_suffix=keeps_suffix) as aside:
        aside.touch()
        assert aside.name.endswith(end)
        assert aside.name.startswith(".clip.mp4.")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
