from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncqc.errors import ClipError, UsageError
from syncqc.media import place as module
from syncqc.media.place import place


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "given" / "clip.mp4"
    path.parent.mkdir()
    path.write_bytes(bytes(range(256)) * 9000)
    path.chmod(0o640)
    os.utime(path, ns=(1_500_000_000_123_456_789, 1_400_000_000_123_456_789))
    before = path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode
    yield path
    if path.exists():
        assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode) == before


@pytest.mark.parametrize("how", ["copy", "hard", "sym"])
def test_a_placed_file_is_the_source(source: Path, tmp_path: Path, how: str) -> None:
    out = tmp_path / "made" / "deep" / "clip.mp4"
    done = place(source, out, how)  # type: ignore[arg-type]
    assert done in {"copy": ("copy", "reflink"), "hard": ("hard",), "sym": ("sym",)}[how]
    assert out.read_bytes() == source.read_bytes()
    assert (out.stat().st_mtime_ns, out.stat().st_mode) == (source.stat().st_mtime_ns, source.stat().st_mode)
    assert [path.name for path in out.parent.iterdir()] == ["clip.mp4"]
    assert out.samefile(source) is (how != "copy")


def test_a_symbolic_link_is_absolute_and_follows_the_links_in_the_source(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alias.mp4").symlink_to(source)
    monkeypatch.chdir(tmp_path)
    place(Path("alias.mp4"), Path("out.mp4"), "sym")
    assert Path("out.mp4").readlink() == source.resolve()


@pytest.mark.parametrize("how", ["copy", "hard", "sym"])
def test_an_old_file_is_replaced_and_a_second_time_changes_nothing(source: Path, tmp_path: Path, how: str) -> None:
    out = tmp_path / "clip.mp4"
    out.write_text("old")
    for _ in range(2):
        place(source, out, how)  # type: ignore[arg-type]
        assert out.read_bytes() == source.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "given"]


def test_blocks_are_shared_where_the_file_system_can(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def clone(descriptor: int, request: int, given: int) -> int:
        asked.append(request)
        os.sendfile(descriptor, given, 0, 10**9)
        return 0

    monkeypatch.setattr(fcntl, "ioctl", clone)
    assert place(source, tmp_path / "out.mp4", "copy") == "reflink"
    assert asked == [0x40049409]
    assert (tmp_path / "out.mp4").read_bytes() == source.read_bytes()


def test_it_is_copied_where_it_cannot(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    assert place(source, tmp_path / "out.mp4", "copy") == "copy"
    assert (tmp_path / "out.mp4").read_bytes() == source.read_bytes()


def test_a_full_disk_is_no_reason_to_copy_and_leaves_nothing(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fcntl, "ioctl", full)
    with pytest.raises(OSError, match="No space left"):
        place(source, tmp_path / "out.mp4", "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


def test_a_hard_link_to_another_file_system_is_refused(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(module.os, "link", refuse)
    with pytest.raises(UsageError, match="lies on another file system; copy, or link symbolically"):
        place(source, tmp_path / "out.mp4", "hard")
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


@pytest.mark.parametrize("how", ["copy", "hard", "sym"])
def test_the_source_itself_is_refused(source: Path, how: str) -> None:
    with pytest.raises(UsageError, match="is the source"):
        place(source, source.parent / ".." / "given" / "clip.mp4", how)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["copy", "hard", "sym"])
def test_what_is_no_file_is_refused(source: Path, tmp_path: Path, how: str) -> None:
    for wrong in (source.parent, source.with_name("gone.mp4")):
        with pytest.raises(ClipError, match="not a regular file"):
            place(wrong, tmp_path / "out.mp4", how)  # type: ignore[arg-type]
