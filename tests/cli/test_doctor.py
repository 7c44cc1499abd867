from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from syncqc.cli import doctor
from syncqc.cli.doctor import Check, Status
from syncqc.cli.main import main
from syncqc.nets import checkpoint
from syncqc.stages.score import Score


def test_a_whole_machine_is_said_to_be_whole(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "score can run here." in out
    for name in ("python", "decoders", "ffmpeg", "detector", "network", "torch", "ray", "memory", "disk"):
        assert f" {name} " in out


def test_what_is_needed_and_missing_ends_with_code_1_and_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [
        Check("torch", Status.OK, "2.0", is_needed=True),
        Check("detector", Status.MISSING, "no weights", is_needed=True),
        Check("ray", Status.MISSING, "not installed"),
    ]
    monkeypatch.setattr(doctor, "examine", lambda: checks)
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert err == "score cannot run here: detector: no weights\n"
    assert "not installed" in out


def test_what_is_not_needed_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [Check("ray", Status.MISSING, "not installed"), Check("decoders", Status.WARNING, "no prores", is_needed=True)]
    monkeypatch.setattr(doctor, "examine", lambda: checks)
    assert main(["doctor"]) == 0


def test_brackets_in_a_sentence_are_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: [Check("a", Status.OK, "pip install 'syncqc[insightface]'")])
    main(["doctor"])
    assert "syncqc[insightface]" in capsys.readouterr().out


def test_a_check_that_breaks_says_how_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Check:
        raise OSError("libcuda.so.1: cannot open shared object file")

    monkeypatch.setattr(doctor, "check_torch", broken)
    checks = {check.name: check for check in doctor.examine()}
    assert checks["torch"] == Check("torch", Status.MISSING, "OSError: libcuda.so.1: cannot open shared object file", is_needed=True)
    assert checks["disk"].status in (Status.OK, Status.WARNING)


@pytest.mark.parametrize(
    ("unknown", "status", "is_named"),
    [
        pytest.param({"prores"}, Status.WARNING, True, id="a useful one"),
        pytest.param({"aac", "prores"}, Status.MISSING, True, id="a needed one"),
        pytest.param(set[str](), Status.OK, False, id="none"),
    ],
)
def test_decoders_that_are_not_there(unknown: set[str], status: Status, is_named: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_has_decoder", lambda name: name not in unknown)
    check = doctor.check_decoders()
    assert check.status is status
    assert ("cannot be read" in check.sentence) is is_named
    assert all(name in check.sentence for name in unknown)


def test_a_decoder_that_nobody_wrote_is_not_there() -> None:
    assert doctor._has_decoder("h264")
    assert not doctor._has_decoder("h2640")


def test_without_an_ffmpeg_on_the_path_the_one_of_imageio_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    check = doctor.check_ffmpeg()
    assert check.status is Status.OK
    assert "imageio_ffmpeg" in check.sentence


def test_opencv_without_its_system_libraries_is_told_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    check = doctor.check_opencv()
    assert (check.status, check.is_needed) == (Status.MISSING, True)
    assert "apt-get install libgl1 libglib2.0-0" in check.sentence


def absent(*names: str) -> Callable[[str], str]:
    def version(name: str) -> str:
        if name in names:
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    return version


def test_insightface_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", absent("insightface"))
    check = doctor.check_insightface()
    assert (check.status, check.is_needed) == (Status.WARNING, False)
    assert "pip install 'syncqc[insightface]'" in check.sentence


@pytest.mark.parametrize(("files", "status"), [((), Status.WARNING), (("buffalo_l/det_10g.onnx",), Status.OK)], ids=["no pack", "a pack"])
def test_insightface_packs_are_looked_for_at_home(
    files: tuple[str, ...], status: Status, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "version", absent())
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in files:
        file = tmp_path / ".insightface" / "models" / name
        file.parent.mkdir(parents=True)
        file.touch()
    check = doctor.check_insightface()
    assert check.status is status
    assert ("buffalo_l" in check.sentence) is bool(files)


def test_two_builds_of_onnxruntime_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", absent())
    assert doctor.check_onnxruntime().status is Status.WARNING
    monkeypatch.setattr(metadata, "version", absent("onnxruntime-gpu"))
    assert doctor.check_onnxruntime().status is Status.OK


@pytest.mark.parametrize(("free_gb", "status"), [(1, Status.WARNING), (100, Status.OK)], ids=["little", "enough"])
def test_little_disk_is_warned_of(free_gb: int, status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free_gb * 10**9))
    check = doctor.check_disk()
    assert check.status is status
    assert f"{free_gb}.0 GB free" in check.sentence


@pytest.mark.parametrize(("total_gb", "status"), [(1, Status.WARNING), (16, Status.OK)], ids=["little", "enough"])
def test_little_memory_is_warned_of(total_gb: int, status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"SC_PAGE_SIZE": 1000, "SC_PHYS_PAGES": total_gb * 10**6}
    monkeypatch.setattr(os, "sysconf", lambda name: answers[name])
    check = doctor.check_memory()
    assert check.status is status
    assert f"{total_gb}.0 GB" in check.sentence


def test_ray_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", absent("ray"))
    check = doctor.check_ray()
    assert (check.status, check.is_needed) == (Status.MISSING, False)
    assert "--engine local" in check.sentence


def test_a_default_network_without_weights_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "available", dict)
    check = doctor.check_network()
    assert (check.status, check.is_needed) == (Status.MISSING, True)
    assert check.sentence.startswith(f"{Score.model}, which score takes by default, has no weights here")
