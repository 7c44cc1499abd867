"""Settings from TOML: what is written comes back, what is wrong is named."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from syncqc.errors import UsageError
from syncqc.train.config import TrainConfig, from_values, images_needed, load_config

RECIPES = sorted((Path(__file__).parents[2] / "models").glob("*/*.toml"))

CHANGED = TrainConfig(
    net="ic-syncnet.base",
    seed=3,
    n_batches=10,
    lr=2e-4,
    nce_weight=(0.5, 0.25),
    source_weights={"trial": 0.0, "grid-s1": 0.35},
    min_offset_frames={"trial": -8.0},
    max_offset_frames={"trial": 4.0, "sarcasm": 5.0},
    n_threads=1,
)


def as_toml(config: TrainConfig) -> str:
    values = asdict(config)
    tables = {name: value for name, value in values.items() if isinstance(value, dict)}
    plain = "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items() if name not in tables)
    return plain + "".join(f"[{name}]\n" + "".join(f"{key} = {one}\n" for key, one in table.items()) for name, table in tables.items())


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "train.toml"


@pytest.mark.parametrize("config", [TrainConfig(), CHANGED], ids=["defaults", "changed"])
def test_what_is_written_comes_back(toml: Path, config: TrainConfig) -> None:
    toml.write_text(as_toml(config))
    assert load_config(toml) == config


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_recipes_beside_the_models_can_be_read(recipe: Path) -> None:
    config = load_config(recipe)
    assert config.net.startswith("ic-syncnet.")
    assert config.n_batches > 0


def test_what_is_not_named_has_its_default(toml: Path) -> None:
    toml.write_text("n_batches = 5\n")
    assert load_config(toml) == TrainConfig(n_batches=5)


def test_whole_numbers_pass_for_numbers_and_come_out_as_such() -> None:
    config = from_values({"lr": 1, "bbce_weight": [1, 0], "source_weights": {"trial": 2}})
    assert (config.lr, config.bbce_weight, config.source_weights) == (1.0, (1.0, 0.0), {"trial": 2.0})
    assert {type(value) for value in (config.lr, *config.bbce_weight, *config.source_weights.values())} == {float}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"n_batchs": 5}, "unknown setting 'n_batchs'; did you mean 'n_batches'?"),
        ({"n_batches": "many"}, "setting 'n_batches' takes int, got 'many'"),
        ({"n_batches": 5.0}, "setting 'n_batches' takes int, got 5.0"),
        ({"n_batches": True}, "setting 'n_batches' takes int, got True"),
        ({"lr": "fast"}, "setting 'lr' takes float, got 'fast'"),
        ({"lr": True}, "setting 'lr' takes float, got True"),
        ({"net": 3}, "setting 'net' takes str, got 3"),
        ({"nce_weight": [1.0]}, "setting 'nce_weight' takes 2 numbers, got [1.0]"),
        ({"nce_weight": 1.0}, "setting 'nce_weight' takes 2 numbers, got 1.0"),
        ({"nce_weight": [1.0, "x"]}, "setting 'nce_weight' takes float, got 'x'"),
        ({"source_weights": 0.5}, "setting 'source_weights' takes dict, got 0.5"),
        ({"source_weights": {"trial": "no"}}, "setting 'source_weights.trial' takes float, got 'no'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_is_named(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        from_values(values)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"n_windows": 1}, "n_windows must be at least 2"),
        ({"span_images": 22}, "span_images must be at least 23 for 8 windows, not 22"),
        ({"mel_columns": 24}, "mel_columns is 16 or 32, not 24"),
        ({"n_hard": 8}, r"n_hard must be -1 \(all\) to 7 in batches of this size, not 8"),
        ({"n_hard": -2}, r"n_hard must be -1 \(all\) to 7"),
        ({"n_easy": 89}, r"n_easy must be -1 \(all\) to 88 in batches of this size, not 89"),
        ({"n_hard": 0, "n_easy": 0, "nce_weight": [0, 0]}, "n_hard = 0 leaves the binary loss without negatives"),
        ({"n_hard": 0, "binary_loss": "bce", "nce_weight": [0, 0]}, "n_hard = 0 leaves the binary loss without negatives"),
        ({"n_hard": 0}, "n_hard = 0 leaves InfoNCE without negatives; set nce_easy"),
        ({"bbce_weight": [1, 0], "nce_weight": [1, 0]}, "bbce_weight and nce_weight are both 0 at the same time"),
        ({"precision": "bfloat"}, "unknown precision 'bfloat'; did you mean 'bfloat16'?"),
        ({"device": "gpu"}, "unknown device 'gpu'; "),
        ({"binary_loss": "bbbce"}, "unknown binary_loss 'bbbce'; did you mean 'bbce'?"),
        ({"augmentation": "placements"}, "unknown augmentation 'placements'; did you mean 'placement'?"),
    ],
    ids=[
        "one window",
        "no room",
        "other mel",
        "too many hard",
        "fewer than all",
        "too many easy",
        "no negatives",
        "no negatives for BCE",
        "no negatives for InfoNCE",
        "no loss at the end",
        "precision",
        "device",
        "binary loss",
        "augmentation",
    ],
)
def test_settings_that_make_no_batch_or_no_loss_are_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence.replace("?", r"\?")):
        from_values(values)


@pytest.mark.parametrize(
    "values",
    [
        {"n_hard": 7, "n_easy": 88},
        {"n_hard": 0, "nce_weight": [0, 0]},
        {"n_hard": 0, "nce_easy": True},
        {"n_easy": 0},
        {"bbce_weight": [0, 1], "nce_weight": [1, 0]},
        {"bbce_weight": [0, 0]},
        {"n_segments": 1, "n_easy": 0},
    ],
    ids=["all there are", "easy alone", "InfoNCE over easy alone", "hard alone", "one after the other", "InfoNCE alone", "one track"],
)
def test_what_is_left_out_may_be_left_out(values: dict[str, Any]) -> None:
    assert asdict(from_values(values)).items() >= {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}.items()


def test_without_negatives_named_all_of_the_batch_count() -> None:
    # What settings written before these keys existed mean.
    config = TrainConfig()
    assert (config.n_hard, config.n_easy, config.nce_easy, config.nce_both_ways, config.binary_loss) == (-1, -1, False, True, "bbce")
    assert (config.mel_columns, config.augmentation, config.adam_betas) == (32, "full", (0.9, 0.98))


def test_room_for_the_windows() -> None:
    # Eight windows two images apart, the five images of the last, and two to spare.
    assert images_needed(TrainConfig()) == 8 * 2 + 5 + 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"n_batches = = 5", "is no TOML"), (b"\xff\xfe\x00", "is no TOML"), (None, "cannot be read: No such file")],
    ids=["not TOML", "not text", "not there"],
)
def test_an_unreadable_file_is_named(toml: Path, content: bytes | None, sentence: str) -> None:
    if content is not None:
        toml.write_bytes(content)
    with pytest.raises(UsageError, match=sentence) as error:
        load_config(toml)
    assert str(error.value).startswith(f"{toml} ")
