"""The raw cache out of the packed one: the same tracks in the same order, the sound bit for bit, the images as good as their quality."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import made_tracks
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_tracks import REACH, SIZE, crops_of, made_clips, made_plan, samples_of

from syncqc.engine.assemble import ClipResult
from syncqc.engine.local import run_local
from syncqc.engine.plan import Plan
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip
from syncqc.train import unpack as unpacking
from syncqc.train.cache import CacheShape, CropCache, Entry
from syncqc.train.pack import PackJournal
from syncqc.train.unpack import prepare, unpack

SHAPE = CacheShape(*SIZE, 1.5)
CONTEXT = 40 * 640


def pack(folder: Path, *names: str, crf: int = 10, clips_per_shard: int = 1) -> Path:
    with PackJournal(folder, SHAPE, {"crf": crf}, {"syncqc": "0"}).open() as journal:
        for number, result in enumerate(run_local(made_plan(crf), made_clips(*names), isolate=False), 1):
            journal.add(result)
            if number % clips_per_shard == 0:
                journal.flush()
        journal.finish()
    return folder


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(one.astype(float) - other).mean()))


def raw_files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("crops.u8", "sound.i16", "index.jsonl")}


def test_tracks_stand_in_order_one_behind_the_other(tmp_path: Path) -> None:
    made = unpack(pack(tmp_path / "p", "bb", "silent", "a"), tmp_path / "raw", n_workers=1)
    assert (made.height_px, made.width_px, made.margin) == (*SIZE, 1.5)
    crops, samples, expected = 0, 0, []
    for name in ("a", "bb"):
        for part, track, first, n, n_tracks, width, present in [
            (0, 0, 0, 50, 1, 60.5, (CONTEXT, (40 + 50 + REACH) * 640)),
            (1, 0, 50, 50, 3, 60.5, ((40 - REACH) * 640, (40 + 90 - 50) * 640)),
            (1, 2, 85, 15, 3, 62.5, (0, (40 + 90 - 85) * 640)),
        ]:
            n_samples = (n + 80) * 640
            expected.append(
                Entry(
                    name, f"set of {name}", f"speaker of {name}", part, track, first, n, crops, samples, n_samples, present, width, n_tracks
                )
            )
            crops, samples = crops + n, samples + n_samples
    assert made.entries == expected
    assert (tmp_path / "raw" / "crops.u8").stat().st_size == crops * SIZE[0] * SIZE[1] * 3
    assert (tmp_path / "raw" / "sound.i16").stat().st_size == samples * 2


def test_sound_comes_back_bit_for_bit(tmp_path: Path) -> None:
    made = unpack(pack(tmp_path / "p", "bb", "a"), tmp_path / "raw", n_workers=1)
    for entry in made.entries:
        lo, hi = entry.present
        expected = np.zeros(entry.n_samples, np.float32)
        expected[lo:hi] = samples_of(entry.clip_id, (entry.first_image - 40) * 640 + lo, hi - lo)
        assert np.array_equal(made.samples(entry, 0, entry.n_samples), np.rint(expected * 32768) / 32768)


@pytest.mark.parametrize(("crf", "least_db"), [(10, 42), (22, 34), (35, 25)])
def test_images_come_back_as_good_as_their_quality(tmp_path: Path, crf: int, least_db: float) -> None:
    made = unpack(pack(tmp_path / "p", "bb", "a", crf=crf), tmp_path / "raw", n_workers=1)
    for entry in made.entries:
        truth = crops_of(entry.clip_id, entry.first_image, entry.n_images, entry.track_index)
        assert psnr_db(truth, made.crops(entry, 0, entry.n_images)) > least_db


def test_several_tracks_of_a_shard_and_several_shards_are_the_same(tmp_path: Path) -> None:
    names = ("a", "bb", "ccc", "dddd")
    for n in (1, 2, 4):
        unpack(pack(tmp_path / f"p{n}", *names, clips_per_shard=n), tmp_path / f"raw{n}", n_workers=1)
        assert len(list((tmp_path / f"p{n}").glob("crops-*"))) == 4 // n
    assert raw_files(tmp_path / "raw1") == raw_files(tmp_path / "raw2") == raw_files(tmp_path / "raw4")


@pytest.mark.slow
def test_several_processes_give_the_same_files(tmp_path: Path) -> None:
    packed = pack(tmp_path / "p", "a", "bb", "ccc")
    for n in (1, 2):
        unpack(packed, tmp_path / f"raw{n}", n_workers=n)
    assert raw_files(tmp_path / "raw1") == raw_files(tmp_path / "raw2")


def test_stopped_it_goes_on_with_the_shards_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed, done, real = pack(tmp_path / "p", "a", "bb", "ccc"), list[str](), unpacking._unpack_shard
    unpack(packed, tmp_path / "whole", n_workers=1)

    def stops(job: unpacking._Job) -> str:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(job.shard.name)
        return real(job)

    with monkeypatch.context() as patched:
        patched.setattr(unpacking, "_unpack_shard", stops)
        with pytest.raises(KeyboardInterrupt):
            unpack(packed, tmp_path / "raw", n_workers=1)
    with pytest.raises(UsageError, match="holds no finished crop cache"):
        CropCache(tmp_path / "raw")
    again: list[str] = []
    monkeypatch.setattr(unpacking, "_unpack_shard", lambda job: again.append(job.shard.name) or real(job))
    unpack(packed, tmp_path / "raw", n_workers=1)
    assert (len(done), len(again), set(done) & set(again)) == (2, 1, set())
    assert raw_files(tmp_path / "raw") == raw_files(tmp_path / "whole")
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == ["about.json", "crops.u8", "index.jsonl", "sound.i16"]


def test_what_is_unpacked_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack(tmp_path / "p", "a")
    unpack(packed, tmp_path / "raw", n_workers=1)
    monkeypatch.setattr(unpacking, "_unpack_shard", lambda job: pytest.fail("unpacked again"))
    assert len(unpack(packed, tmp_path / "raw").entries) == 3
    with pytest.raises(UsageError, match=r"holds a crop cache that was not made from .*q as it is now; choose another folder"):
        unpack(pack(tmp_path / "q", "bb"), tmp_path / "raw")


def changed(shard: Path, column: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    table = pq.read_table(shard)
    at = table.column_names.index(column)
    pq.write_table(
        table.set_column(at, table.schema.field(at), pa.array(change(table.column(column).to_pylist()), pa.large_binary())), shard
    )


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (
            lambda shard: changed(shard, "video", lambda v: [v[0], v[2], v[1]]),
            "damaged at a, part 1, track 0: 15 images can be decoded, not 50",
        ),
        (lambda shard: changed(shard, "sound", lambda v: [v[0], v[1], v[2][:200]]), "damaged at a, part 1, track 2: "),
        (lambda shard: pq.write_table(pq.read_table(shard).slice(0, 2), shard), r"crops-000001\.parquet holds 2 tracks, not 3"),
    ],
    ids=["other images", "cut sound", "lines lost"],
)
def test_a_damaged_shard_is_told_with_its_place_and_nothing_is_finished(
    tmp_path: Path, damage: Callable[[Path], None], sentence: str
) -> None:
    packed = pack(tmp_path / "p", "a")
    damage(packed / "crops-000001.parquet")
    with pytest.raises(UsageError, match=sentence):
        unpack(packed, tmp_path / "raw", n_workers=1)
    assert not (tmp_path / "raw" / "about.json").exists()


def test_a_disk_too_small_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack(tmp_path / "p", "a")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 0, 1_000))
    with pytest.raises(UsageError, match=r"takes 0\.0 GB; on the disk of .*raw 0\.0 GB are free"):
        unpack(packed, tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


def test_a_cache_without_any_track_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds a crop cache without any face track"):
        unpack(pack(tmp_path / "p", "silent"), tmp_path / "raw")


def test_a_packed_cache_is_not_read_as_a_raw_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="in its packed form"):
        CropCache(pack(tmp_path / "p", "a"))


def run(plan: Plan, clips: list[Clip]) -> Iterator[ClipResult]:
    for result in run_local(made_plan(22), clips, isolate=False):
        if result.clip.clip_id == "breaks":
            raise KeyboardInterrupt
        yield result


def test_from_clips_to_the_raw_form_telling_what_each_clip_gave(tmp_path: Path) -> None:
    given = [(clip.clip_id, n) for clip, n in prepare(made_clips("a", "silent", "bb"), tmp_path, SHAPE, run)]
    assert given == [("a", 3), ("silent", 0), ("bb", 3)]
    assert [entry.clip_id for entry in CropCache(tmp_path).entries] == ["a"] * 3 + ["bb"] * 3
    assert (tmp_path / "packed" / "about.json").exists()


def test_from_clips_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        list(prepare(made_clips("a", "silent", "breaks"), tmp_path, SHAPE, run))
    read: list[str] = []

    def noted(plan: Plan, clips: list[Clip]) -> Iterator[ClipResult]:
        read.extend(clip.clip_id for clip in clips)
        return run_local(made_plan(22), clips, isolate=False)

    given = [(clip.clip_id, n) for clip, n in prepare(made_clips("a", "silent", "breaks"), tmp_path, SHAPE, noted)]
    assert read == ["breaks"]
    assert given == [("a", 3), ("silent", 0), ("breaks", 3)]
    assert list(prepare(made_clips("a", "silent", "breaks"), tmp_path, SHAPE, noted)) == list(
        zip(made_clips("a", "silent", "breaks"), (3, 0, 3), strict=True)
    )
    assert read == ["breaks"]


def test_from_clips_with_restart_nothing_done_is_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        list(prepare(made_clips("a", "breaks"), tmp_path, SHAPE, run))
    given = [(clip.clip_id, n) for clip, n in prepare(made_clips("bb"), tmp_path, SHAPE, run, restart=True)]
    assert given == [("bb", 3)]
    assert [entry.clip_id for entry in CropCache(tmp_path).entries] == ["bb"] * 3


def test_from_clips_another_shape_is_refused(tmp_path: Path) -> None:
    list(prepare(made_clips("a"), tmp_path, SHAPE, run))
    with pytest.raises(UsageError, match=r"find_faces\.crop_height_px 16 -> 72"):
        list(prepare(made_clips("a"), tmp_path, CacheShape(), run))


def test_the_index_of_the_raw_form_is_the_one_caches_have(tmp_path: Path) -> None:
    unpack(pack(tmp_path / "p", "a"), tmp_path / "raw", n_workers=1)
    lines = [json.loads(line) for line in (tmp_path / "raw" / "index.jsonl").read_text().splitlines()]
    assert [set(line) for line in lines] == [set(Entry.__dataclass_fields__)] * 3
    assert made_tracks.SIZE == (16, 24)
