from __future__ import annotations

import json
from pathlib import Path

import pytest

from syncqc.cli import models
from syncqc.cli.main import main
from syncqc.cli.models import ModelFacts
from syncqc.nets import checkpoint
from syncqc.nets.ic_syncnet import IcSyncNet, IcSyncNetConfig

LINES = [
    {"duration_s": 1.0, "n_clips": 60, "offset_agrees_with_clip": 0.5, "foreign_lower_share": 0.6},
    {"duration_s": 3.0, "n_clips": 51, "offset_agrees_with_clip": 0.916, "foreign_lower_share": None},
]
EVALUATION = json.dumps({"figures": {"all": {"by_duration": LINES}}})


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
    assert facts.crop == "128 x 256"
    assert facts.n_parameters == sum(p.numel() for p in IcSyncNet(IcSyncNetConfig()).parameters())


def test_a_model_is_listed_with_what_its_folder_holds(shelf: Path) -> None:
    network = put(shelf, "mine.v1", README_md="# Mine\n\n**Licence:** CC BY-NC 4.0.\n", eval_json=EVALUATION)
    facts = facts_of("mine.v1")
    assert facts.n_parameters == sum(p.numel() for p in network.parameters())
    assert facts.weights_mb == pytest.approx((shelf / "mine.v1" / checkpoint.WEIGHTS).stat().st_size / 1e6)
    assert (facts.tau, facts.zero_offset_frames) == (0.125, -1)
    assert (facts.licence, facts.summary) == (
        "CC BY-NC 4.0",
        "on unseen speakers 92% of stretches of 3 s have the offset of their clip within 1 image, "
        "and foreign speech is less probable in ? of pairs (51 clips)",
    )


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


@pytest.mark.parametrize("name", sorted(checkpoint.available()))
def test_a_shipped_model_comes_with_its_papers(name: str) -> None:
    folder = checkpoint.available()[name].parent
    assert [file for file in ("README.md", "train.toml", "eval.json") if not (folder / file).is_file()] == []
    facts = facts_of(name)
    assert facts.licence is not None, "the card has no line 'Licence: ...'"
    assert facts.summary is not None
