"""Weights files: what goes in comes out, and what is no weights file is refused in one sentence."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from syncqc.errors import UsageError
from syncqc.nets import checkpoint
from syncqc.nets.checkpoint import Header, available, config_of, find, load, new_network, read_header, store
from syncqc.nets.ic_syncnet import CONFIGS, IcSyncNet, IcSyncNetConfig


@pytest.fixture
def header(mini: IcSyncNetConfig) -> Header:
    return Header(
        name="ic-syncnet.mini",
        config=asdict(mini),
        tau=0.07,
        zero_offset_frames=-1,
        mel_rounding="floor",
        mel={"pre_emphasis": 0.97, "low_db": -100.0},
        calibration={"version": 1, "feature_names": ["margin"], "weights": [3.0], "bias": -1.0},
        trained={"n_batches": 7, "bbce_weight": [0.5, 1.0]},
    )


@pytest.fixture
def network(mini: IcSyncNetConfig) -> IcSyncNet:
    torch.manual_seed(3)
    network = IcSyncNet(mini).train()
    network.embed_audio(torch.rand(4, 1, 32, 80))  # moves the batch norm's statistics away from where they start
    return network


@pytest.fixture
def stored(tmp_path: Path, network: IcSyncNet, header: Header) -> Path:
    path = tmp_path / "models" / "ic-syncnet.mini" / "weights.safetensors"
    path.parent.mkdir(parents=True)
    store(path, network, header)
    return path


@pytest.fixture
def shelf(stored: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which models are looked for."""
    folder = stored.parents[1]
    monkeypatch.setattr(checkpoint, "model_folders", lambda: [folder])
    return folder


def test_the_header_comes_back_as_it_was(stored: Path, header: Header) -> None:
    assert read_header(stored) == Header(**json.loads(json.dumps(asdict(header))))


def test_the_weights_come_back_as_they_were_ready_for_use(stored: Path, network: IcSyncNet, mini: IcSyncNetConfig) -> None:
    loaded = load(str(stored))
    assert loaded.network.config == mini
    assert not loaded.network.training
    assert (loaded.crop_height_px, loaded.crop_width_px) == (14, 26)
    then, now = network.state_dict(), loaded.network.state_dict()
    assert then.keys() == now.keys()
    assert [name for name in then if not torch.equal(then[name], now[name])] == []
    mel = torch.rand(2, 1, 32, 80)
    with torch.no_grad():
        assert torch.equal(network.eval().embed_audio(mel), loaded.network.embed_audio(mel))


def test_the_configuration_in_the_header_builds_the_same_network(header: Header, mini: IcSyncNetConfig) -> None:
    from_file = Header(**json.loads(json.dumps(asdict(header))))
    assert from_file.config["visual_widths"] == [4, 6, 8], "JSON knows no tuples"
    assert config_of(from_file) == mini


def test_the_hash_is_that_of_the_file_also_after_it_changed(stored: Path, network: IcSyncNet, header: Header) -> None:
    def expected() -> str:
        return hashlib.sha256(stored.read_bytes()).hexdigest()

    before = load(str(stored)).weights_sha256
    assert before == expected()
    network.log_tau.data.fill_(-1.0)
    store(stored, network, header)
    assert load(str(stored)).weights_sha256 == expected() != before


def test_nothing_is_left_beside_a_stored_file(stored: Path) -> None:
    assert [path.name for path in stored.parent.iterdir()] == ["weights.safetensors"]


def test_reading_the_header_reads_no_weights(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = checkpoint.safe_open

    class Watched:
        def __init__(self, *arguments: object) -> None:
            self.file = real(*arguments)

        def __enter__(self) -> Watched:
            self.file.__enter__()
            return self

        def __exit__(self, *error: object) -> None:
            self.file.__exit__(*error)

        def metadata(self) -> dict[str, str]:
            return dict(self.file.metadata())

        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} was asked for")

    monkeypatch.setattr(checkpoint, "safe_open", Watched)
    assert read_header(stored).name == "ic-syncnet.mini"
    with pytest.raises(AssertionError, match="keys was asked for"):
        load(str(stored))


def test_models_are_found_by_name_and_by_path(shelf: Path, stored: Path) -> None:
    (shelf / "a-card-without-weights").mkdir()
    assert available() == {"ic-syncnet.mini": stored}
    assert find("ic-syncnet.mini") == find(str(stored)) == stored


def test_the_first_folder_wins(tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other" / "ic-syncnet.mini" / "weights.safetensors"
    other.parent.mkdir(parents=True)
    other.touch()
    monkeypatch.setattr(checkpoint, "model_folders", lambda: [tmp_path / "other", stored.parents[1]])
    assert available() == {"ic-syncnet.mini": other}


def test_an_unknown_name_is_answered_with_the_nearest(shelf: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown model 'ic-syncnet\.mino'; did you mean 'ic-syncnet\.mini'\?"):
        load("ic-syncnet.mino")


def test_without_any_model_that_is_what_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "model_folders", lambda: [tmp_path])
    with pytest.raises(UsageError, match="no weights are installed"):
        find("ic-syncnet.small")


def text(path: Path) -> None:
    path.write_text("these are no weights at all, only a line of text")


def empty(path: Path) -> None:
    path.touch()


def foreign(path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, path)


def other_format(path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, path, {"format": "pt"})


def newer(path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, path, {"format": checkpoint.FORMAT, "header": '{"name": "x", "from_the_future": 1}'})


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (text, "is no weights file"),
        (empty, "is no weights file"),
        (foreign, "holds no syncqc weights"),
        (other_format, "holds no syncqc weights"),
        (newer, "from_the_future"),
        (lambda path: None, "there is no weights file"),
        (lambda path: path.mkdir(), "there is no weights file"),
    ],
    ids=["text", "empty", "other safetensors", "safetensors of transformers", "newer header", "nothing", "a folder"],
)
def test_what_is_no_weights_file_is_refused(tmp_path: Path, make: object, sentence: str) -> None:
    path = tmp_path / "weights.safetensors"
    make(path)  # type: ignore[operator]
    with pytest.raises(UsageError, match=sentence) as error:
        load(str(path))
    assert str(path) in str(error.value)


def test_depths_stage_by_stage_come_back(tmp_path: Path, mini: IcSyncNetConfig) -> None:
    config = replace(mini, visual_depth=(1, 2), audio_depth=(0, 1), mel_columns=16)
    path = tmp_path / "weights.safetensors"
    store(path, IcSyncNet(config), Header("x", asdict(config), 0.1))
    assert load(str(path)).network.config == config


def test_a_header_without_mel_columns_is_one_of_32(mini: IcSyncNetConfig) -> None:
    values = asdict(mini)
    del values["mel_columns"]
    assert config_of(Header("x", values, 0.1)).mel_columns == 32


@pytest.mark.skipif("ic-syncnet.small" not in available(), reason="no weights are installed")
def test_the_shipped_weights_load_and_tell_apart() -> None:
    loaded = load("ic-syncnet.small")
    torch.manual_seed(0)
    with torch.no_grad():
        video = loaded.network.embed_video(torch.rand(2, 15, 48, 96))
    assert video.shape == (2, 256)
    assert video.norm(dim=1).tolist() == pytest.approx([1.0] * 2, rel=1e-5)


def test_new_networks_by_name() -> None:
    with torch.device("meta"):
        assert new_network("ic-syncnet.small").config == CONFIGS["small"]
        assert new_network("ic-syncnet.tiny", 16).config == replace(CONFIGS["tiny"], mel_columns=16)
    with pytest.raises(UsageError, match=r"did you mean 'ic-syncnet\.small'"):
        new_network("ic-syncnet.smal")
