from __future__ import annotations

import json
from pathlib import Path

import pytest

from syncqc.cli import models
from syncqc.cli.main import main
from syncqc.cli.models import ModelFacts
from syncqc.nets import checkpoint
from syncqc.nets.ic_syncnet import IcSyncNet, IcSyncNetConfig


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(checkpoint, "model_folders", lambda: [tmp_path])
    return tmp_path


def put(shelf: Path, name: str, **files: str) -> IcSyncNet:
    network = checkpoint.new_network("ic-syncnet.small")
    (shelf / name).mkdir()
    header = checkpoint.Header(name, vars(network.config), tau=0.125, zero_offset_frames=-1)
    checkpoint.store(shelf / name / checkpoint.WEIGHTS, network, header)
    for file, text in files.items():
        (shelf / name / file.replace("_", ".")).write_text(text)
    return network


def facts_of(name: str) -> ModelFacts:
    (found,) = [facts for facts in models.gather() if facts.name == name]
    return found


def test_a_network_without_weights_is_listed_as_one_to_train(shelf: Path) -> None:
    facts = facts_of("ic-syncnet.base")
    assert (facts.weights_mb, facts.tau, facts.zero_offset_frames, facts.licence, facts.summary) == (None,) * 5
    assert facts.crop == "128 x 256 px"
    assert facts.n_parameters == sum(p.numel() for p in IcSyncNet(IcSyncNetConfig()).parameters())


def test_a_model_is_listed_with_what_its_folder_holds(shelf: Path) -> None:
    network = put(
        shelf, "mine.v1", README_md="# Mine\n\n**Licence:** CC BY-NC 4.0.\n", eval_json=json.dumps({"summary": "follows 9 of 10"})
    )
    facts = facts_of("mine.v1")
    assert facts.n_parameters == sum(p.numel() for p in network.parameters())
    assert facts.weights_mb == pytest.approx((shelf / "mine.v1" / checkpoint.WEIGHTS).stat().st_size / 1e6)
    assert (facts.tau, facts.zero_offset_frames) == (0.125, -1)
    assert (facts.licence, facts.summary) == ("CC BY-NC 4.0", "follows 9 of 10")


def test_a_model_whose_folder_says_nothing(shelf: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    put(shelf, "mine.v1")
    facts = facts_of("mine.v1")
    assert (facts.licence, facts.summary) == (None, None)
    monkeypatch.setenv("COLUMNS", "140")
    assert main(["models"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "mine.v1" in line]
    assert "not stated" in line
    assert "-1" in line
    assert "0.125" in line


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("Licence: CC BY-NC 4.0", "CC BY-NC 4.0"),
        ("- **Licence**: CC0", "CC0"),
        ("# Licence\n\nCC0", "CC0"),
        ("The licence is unknown", None),
    ],
    ids=["plain", "bold", "heading", "prose"],
)
def test_the_licence_is_read_from_the_card(card: str, licence: str | None, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(card)
    assert models._licence(tmp_path / "README.md") == licence


def test_weights_that_are_not_ours_are_one_sentence(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shelf / "odd.v1").mkdir()
    (shelf / "odd.v1" / checkpoint.WEIGHTS).write_bytes(b"not safetensors")
    assert main(["models"]) == 2
    assert "is no weights file" in capsys.readouterr().err
