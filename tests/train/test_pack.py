"""The packed cache: what a run over many clips leaves behind, whatever interrupts it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import made_tracks
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_tracks import SIZE, made_clips, made_plan

from syncqc.engine.local import run_local
from syncqc.errors import UsageError
from syncqc.manifest.store import read_rows
from syncqc.stages.read import ReadClip
from syncqc.train.cache import CacheShape
from syncqc.train.pack import PackJournal, cache_plan, is_packed, open_packed

SHAPE = CacheShape(*SIZE, 1.5)


def journal(folder: Path, **settings: object) -> PackJournal:
    return PackJournal(folder, SHAPE, {"crf": 10} | settings, {"syncqc": "0"})


def pack(folder: Path, *names: str, **settings: object) -> None:
    with journal(folder, **settings).open() as one:
        for result in run_local(made_plan(), [clip for clip in made_clips(*names) if clip.clip_id not in one.done], isolate=False):
            one.add(result)
        one.finish()


def contents(folder: Path) -> list[dict[str, object]]:
    """Every line of the cache with its video and sound, in the order of the index; where it lies does not count."""
    lines = {}
    for shard in sorted(folder.glob("crops-*.parquet")):
        for number, line in enumerate(pq.read_table(shard).to_pylist()):
            lines[shard.name, number] = line
    index = open_packed(folder).index.to_pylist()
    assert len(index) == len(lines)
    return [lines[line["shard"], line["line"]] for line in index]


def test_every_track_long_enough_has_a_line_in_order(tmp_path: Path) -> None:
    pack(tmp_path / "p", "bb", "silent", "a", "faceless")
    names = ("clip_id", "part_index", "track_index", "first_image", "n_images", "n_tracks", "face_width_px")
    of_one = [(0, 0, 0, 50, 1, 60.5), (1, 0, 50, 50, 3, 60.5), (1, 2, 85, 15, 3, 62.5)]
    packed = open_packed(tmp_path / "p")
    index = packed.index.to_pylist()
    assert [tuple(line[name] for name in names) for line in index] == [(name, *line) for name in ("a", "bb") for line in of_one]
    assert [(line["source"], line["speaker"]) for line in index[::3]] == [("set of a", "speaker of a"), ("set of bb", "speaker of bb")]
    assert {line["n_samples"] / 640 - line["n_images"] for line in index} == {80}
    for line in contents(tmp_path / "p"):
        assert (line["n_video_bytes"], line["n_sound_bytes"]) == (len(line["video"]), len(line["sound"]))  # type: ignore[arg-type]


def test_clips_that_give_nothing_are_there_with_their_reason(tmp_path: Path) -> None:
    pack(tmp_path / "p", "a", "silent", "faceless")
    rows = [(row["clip_id"], row["part_index"], row["track_index"], row["failure"]) for row in read_rows(tmp_path / "p" / "clips.parquet")]
    assert [row for row in rows if row[0] != "a"] == [
        ("faceless", 0, None, "no_face"),
        ("faceless", 1, None, "no_face"),
        ("silent", 0, None, "silent"),
        ("silent", 1, None, "silent"),
    ]
    assert [row[1:] for row in rows if row[0] == "a"] == [(0, 0, None), (1, 0, None), (1, 1, "too_short"), (1, 2, None)]
    about = open_packed(tmp_path / "p").about
    assert (about["n_clips"], about["n_tracks"], about["n_images"]) == (3, 3, 115)


def test_about_tells_the_shape_the_settings_and_the_versions(tmp_path: Path) -> None:
    pack(tmp_path / "p", "a")
    packed = open_packed(tmp_path / "p")
    assert packed.shape == SHAPE
    settings, made_by = packed.about["settings"], packed.about["made_by"]
    assert isinstance(settings, dict)
    assert (settings["crf"], made_by, packed.about["sound_rate_hz"]) == (10, {"syncqc": "0"}, 16_000)
    sizes = [sum(line[name] for line in packed.index.to_pylist()) for name in ("n_video_bytes", "n_sound_bytes")]
    assert [packed.about["n_video_bytes"], packed.about["n_sound_bytes"]] == sizes


def test_broken_off_it_goes_on_and_ends_with_the_same_content(tmp_path: Path) -> None:
    names = ("a", "bb", "silent", "ccc")
    pack(tmp_path / "whole", *names)
    with pytest.raises(KeyboardInterrupt), journal(tmp_path / "p").open() as one:
        for result in run_local(made_plan(), made_clips("a", "silent"), isolate=False):
            one.add(result)
        raise KeyboardInterrupt
    assert not is_packed(tmp_path / "p")
    with journal(tmp_path / "p").open() as again:
        assert (again.done, again.n_kept()) == ({"a", "silent"}, {"a": 3})
    pack(tmp_path / "p", *names)
    assert contents(tmp_path / "p") == contents(tmp_path / "whole")


def test_mouths_whose_clips_did_not_get_done_are_dropped_and_made_again(tmp_path: Path) -> None:
    pack(tmp_path / "whole", "a", "bb")
    with journal(tmp_path / "p").open() as one:
        for result in run_local(made_plan(), made_clips("a"), isolate=False):
            one.add(result)
    (tmp_path / "p" / "clips.parquet.parts" / "rows-000001.parquet").unlink()  # as a kill between the two writes leaves it
    (tmp_path / "p" / ".crops-000002.parquet.1a2b3c4d.part").write_bytes(b"half")
    with journal(tmp_path / "p").open() as two:
        assert two.done == set()
        assert list((tmp_path / "p").glob("*crops-*")) == []
    pack(tmp_path / "p", "a", "bb")
    assert contents(tmp_path / "p") == contents(tmp_path / "whole")


def test_a_kill_after_the_rows_were_merged_is_made_good(tmp_path: Path) -> None:
    pack(tmp_path / "p", "a")
    before = contents(tmp_path / "p")
    (tmp_path / "p" / "about.json").unlink()
    (tmp_path / "p" / "index.parquet").unlink()
    with journal(tmp_path / "p").open() as one:
        assert (one.done, one.is_finished) == ({"a"}, False)
        one.finish()
        assert one.is_finished
    assert contents(tmp_path / "p") == before


def test_a_finished_cache_takes_what_came_since_and_is_none_meanwhile(tmp_path: Path) -> None:
    pack(tmp_path / "p", "a")
    with pytest.raises(KeyboardInterrupt), journal(tmp_path / "p").open() as one:
        assert one.is_finished
        for result in run_local(made_plan(), made_clips("faceless"), isolate=False):
            one.add(result)
        raise KeyboardInterrupt
    with pytest.raises(UsageError, match=r"holds no finished packed crop cache \(index\.parquet or about\.json is missing\)"):
        open_packed(tmp_path / "p")
    pack(tmp_path / "p", "a", "faceless", "bb")
    assert [line["clip_id"] for line in contents(tmp_path / "p")] == ["a"] * 3 + ["bb"] * 3
    assert open_packed(tmp_path / "p").about["n_clips"] == 3


def test_restart_throws_away_what_is_done(tmp_path: Path) -> None:
    pack(tmp_path / "p", "a")
    with pytest.raises(UsageError, match="crf 10 -> 30"):
        journal(tmp_path / "p", crf=30).open()
    with journal(tmp_path / "p", crf=30).open(restart=True) as one:
        assert (one.done, is_packed(tmp_path / "p"), list((tmp_path / "p").glob("crops-*"))) == (set(), False, [])
    pack(tmp_path / "p", "bb", crf=30)
    assert [line["clip_id"] for line in contents(tmp_path / "p")] == ["bb"] * 3


def a_file(place: Path) -> None:
    place.write_text("notes")


def other_things(place: Path) -> None:
    place.mkdir()
    (place / "crops-000001.parquet").write_text("mine")


def a_damaged_shard(place: Path) -> None:
    pack(place, "a")
    (place / "crops-000001.parquet").write_bytes(b"half a")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (a_file, "is a file; --out must name a folder"),
        (other_things, "holds something else than a packed crop cache"),
        (a_damaged_shard, r"crops-000001\.parquet cannot be read"),
    ],
    ids=["file", "other things", "damaged"],
)
def test_what_is_in_the_way_is_refused_and_stays(tmp_path: Path, make: Callable[[Path], None], sentence: str) -> None:
    make(tmp_path / "p")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match=sentence):
        journal(tmp_path / "p").open()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"} == {
        path: content for path, content in before.items() if path.name != "lock"
    }


def test_a_shard_that_was_not_copied_is_named(tmp_path: Path) -> None:
    pack(tmp_path / "p", "a")
    (tmp_path / "p" / "crops-000001.parquet").unlink()
    with pytest.raises(UsageError, match=r"lacks 1 of its shards, crops-000001\.parquet among them"):
        open_packed(tmp_path / "p")


def test_the_plan_fits_together_and_takes_what_is_given() -> None:
    plan = cache_plan(CacheShape(192, 342, 342 / 256), crf=30, min_images=20, detect_every=3)
    plan.check()
    assert isinstance(plan.source, ReadClip)
    assert plan.far == ()
    wanted = {
        "find_faces.crop_height_px": 192,
        "find_faces.crop_width_px": 342,
        "find_faces.crop_margin": 342 / 256,
        "find_faces.every": 3,
        "keep_crops.crf": 30,
        "keep_crops.min_images": 20,
    }
    settings = plan.settings()
    assert {name: settings[name] for name in wanted} == wanted
    assert cache_plan(CacheShape()).settings()["find_faces.detector"] == "centerface"


def test_a_reader_that_dies_costs_one_clip_and_keeps_what_it_gave(tmp_path: Path) -> None:
    made_tracks.pack_into(tmp_path / "p", ["a", "segfault", "zz"])
    assert [(line["clip_id"], line["part_index"]) for line in contents(tmp_path / "p")] == [
        ("a", 0), ("a", 1), ("a", 1), ("segfault", 0), ("zz", 0), ("zz", 1), ("zz", 1),
    ]  # fmt: skip
    failed = [row for row in read_rows(tmp_path / "p" / "clips.parquet") if row["clip_id"] == "segfault"]
    assert [(row["part_index"], row["failure"]) for row in failed] == [(0, None), (1, "crashed")]


@pytest.mark.slow
def test_killed_at_any_moment_the_same_command_ends_with_the_undisturbed_content(tmp_path: Path) -> None:
    names, chance = [f"{'faceless' if i % 5 == 3 else 'clip'}-{i}" for i in range(15)], random.Random(5)
    made_tracks.pack_into(tmp_path / "whole", names)
    folder = tmp_path / "killed"
    code = f"import made_tracks, pathlib; made_tracks.pack_into(pathlib.Path({str(folder)!r}), {names!r}, 0.05)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    codes = []
    for n_shards in (1, 3, 15):
        with subprocess.Popen([sys.executable, "-c", code], env=environment) as run:
            while len(list(folder.glob("crops-*"))) < n_shards and run.poll() is None:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.1))
            if n_shards < 15:
                run.send_signal(signal.SIGKILL)
            codes.append(run.wait())
    assert codes == [-signal.SIGKILL] * 2 + [0]
    assert contents(folder) == contents(tmp_path / "whole")
    for name in ("clips.parquet", "clips.parquet.tracks.parquet"):
        assert pq.read_table(folder / name).to_pylist() == pq.read_table(tmp_path / "whole" / name).to_pylist()
    about = [json.loads((one / "about.json").read_text()) for one in (folder, tmp_path / "whole")]
    assert about[0] == about[1]
    assert sorted(path.name for path in folder.iterdir() if not path.name.startswith("crops-")) == [
        "about.json", "clips.parquet", "clips.parquet.tracks.parquet", "index.parquet",
    ]  # fmt: skip


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_ray_keeps_the_same_mouths(tmp_path: Path) -> None:
    from syncqc.engine.ray_data import run_ray

    names = ["a", "bb", "faceless", "segfault", "silent", "zz"]
    made_tracks.pack_into(tmp_path / "here", names)
    with journal(tmp_path / "there").open() as one:
        for result in run_ray(made_plan(), made_clips(*names)):
            one.add(result)
        one.finish()
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    rows = [pq.read_table(tmp_path / place / "clips.parquet").to_pylist() for place in ("here", "there")]
    assert rows[0] == rows[1]


def test_the_index_is_small_and_its_text_may_be_anything(tmp_path: Path) -> None:
    pack(tmp_path / "p", os.fsdecode(b"\xff"))
    index = open_packed(tmp_path / "p").index
    assert set(index.column("clip_id").to_pylist()) == {r"\udcff"}
    assert not {"video", "sound"} & set(index.column_names)
    assert index.schema.field("shard").type == pa.string()
    assert asdict(SHAPE) == asdict(open_packed(tmp_path / "p").shape)
