from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from syncqc.report.dataset_page_commands import mending, outs_of, quoted

sys.path.insert(0, str(Path(__file__).parent))

from made_gathered import made_gathered


@pytest.mark.parametrize(
    ("place", "word"),
    [
        pytest.param("m.parquet", "m.parquet", id="plain"),
        pytest.param("it's mine.parquet", "'it'\"'\"'s mine.parquet'", id="quote and blank"),
        pytest.param("$(rm -rf x).parquet", "'$(rm -rf x).parquet'", id="command"),
        pytest.param("-x.parquet", "./-x.parquet", id="like an option"),
        pytest.param("~x/m.parquet", "'./~x/m.parquet'", id="like a home folder"),
        pytest.param("~/my data/m.parquet", "~/'my data/m.parquet'", id="in the home folder"),
        pytest.param("a\nb.parquet", "'a\nb.parquet'", id="new line"),
    ],
)
def test_a_place_is_one_word_of_a_shell(place: str, word: str) -> None:
    assert quoted(place) == word
    assert len(shlex.split(word)) == 1


@pytest.mark.parametrize(
    ("places", "outs"),
    [
        pytest.param(["m.parquet"], ["clean.parquet"], id="one"),
        pytest.param(["clean.parquet"], ["clean-again.parquet"], id="the name is taken"),
        pytest.param(["a/vox.parquet", "b/lrs.parquet"], ["clean-vox.parquet", "clean-lrs.parquet"], id="several"),
        pytest.param(
            ["a/m.parquet", "b/m.parquet", "1-m.parquet"], ["clean-1-m.parquet", "clean-2-m.parquet", "clean-3-1-m.parquet"], id="same"
        ),
    ],
)
def test_every_command_writes_to_a_place_of_its_own(places: list[str], outs: list[str]) -> None:
    assert outs_of(places) == outs


def test_the_worst_dataset_s_manifest_is_mended() -> None:
    assert mending(made_gathered(), [1], [1], ["m.parquet"], ["clean.parquet"]) == [
        "syncqc filter m.parquet --p 0.9 --offscreen 0.2 --out clean.parquet",
        "syncqc resync clean.parquet --out clean-in-time",
    ]
    assert len(mending(made_gathered(), [1], [], ["m.parquet"], ["clean.parquet"])) == 1


def test_only_manifests_of_the_named_datasets_are_mended_and_only_those_that_are_off_shifted() -> None:
    one = made_gathered(("a", "b", "c"))
    datasets = tuple(replace(dataset, manifest=f"{dataset.name}.parquet") for dataset in one.datasets)
    sources = tuple(replace(one.sources[0], manifest=dataset.manifest) for dataset in datasets)
    places = [source.manifest for source in sources]
    lines = mending(replace(one, datasets=datasets, sources=sources), [0, 2], [1, 2], places, ["x.parquet", "y.parquet", "z.parquet"])
    assert [" ".join(line.split()[1:3]) for line in lines] == ["filter a.parquet", "filter c.parquet", "resync z.parquet"]


def test_a_dataset_of_several_manifests_is_mended_in_all_of_them() -> None:
    one = made_gathered()
    together = tuple(replace(dataset, manifest="") for dataset in one.datasets)
    two = replace(one, datasets=together, sources=(*one.sources, replace(one.sources[0], manifest="n.parquet")))
    lines = mending(two, [0], [], ["m.parquet", "n.parquet"], ["a.parquet", "b.parquet"])
    assert [line.split()[2] for line in lines] == ["m.parquet", "n.parquet"]
