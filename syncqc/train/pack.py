"""The compact form of a crop cache: what a run over many clips fills, shard by shard, and what can be moved to another machine.

One folder::

    crops-000001.parquet ...   a line per face track: the crops as video, the sound as FLAC, and what is known of the track
    index.parquet              the same lines without video and sound, sorted, with the shard that holds them
    clips.parquet              what became of every clip, like a manifest, with the reason where nothing was kept
    clips.parquet.tracks.parquet   where the faces were
    about.json                 shape of the crops, quality, counts, versions; written last

Knows the journal of the engine; nothing of networks, and of the raw form only what a track is. About 5 KB of crops and 26 KB of
sound per second, where the raw form takes 690 KB and 64 KB.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from syncqc.clock import SOUND_RATE_HZ
from syncqc.engine.journal import Journal
from syncqc.engine.plan import Plan
from syncqc.errors import UsageError
from syncqc.manifest import store
from syncqc.manifest.aside import written_aside
from syncqc.stages.find_faces import FindFaces
from syncqc.stages.keep_crops import CONTEXT_IMAGES, KeepCrops
from syncqc.stages.read import ReadClip
from syncqc.train.cache import ABOUT, CacheShape

INDEX = "index.parquet"
CLIPS = "clips.parquet"
LINES_PER_GROUP = 256
"""About 40 MB: what has to be in memory to read one line."""
_SHARD = re.compile(r"crops-(\d+)\.parquet")
_OWN_ASIDE = re.compile(r"\.(crops-\d+\.parquet|index\.parquet|about\.json)\..*part")

_STR, _INT = pa.string(), pa.int32()
_KNOWN = [
    pa.field("clip_id", _STR),
    pa.field("source", _STR, metadata={"meaning": "the dataset, or nothing"}),
    pa.field("speaker", _STR, metadata={"meaning": "the speaker, or the clip_id where none is known"}),
    pa.field("part_index", _INT),
    pa.field("track_index", _INT),
    pa.field("first_image", _INT, metadata={"meaning": "image of the clip at which the track begins, at 25 per second"}),
    pa.field("n_images", _INT),
    pa.field("n_samples", _INT, metadata={"meaning": f"sound kept, {CONTEXT_IMAGES} images more than the track on both sides"}),
    pa.field("present_begin", _INT, metadata={"meaning": "first of the samples that the file really has"}),
    pa.field("present_end", _INT, metadata={"meaning": "one past the last of them"}),
    pa.field("face_width_px", pa.float64()),
    pa.field("n_tracks", _INT, metadata={"meaning": "face tracks of the part"}),
    pa.field("n_video_bytes", _INT),
    pa.field("n_sound_bytes", _INT),
]
_VIDEO = pa.field("video", pa.large_binary(), metadata={"meaning": "H.264, Annex B, 25 fps"})
_SOUND = pa.field("sound", pa.large_binary(), metadata={"meaning": "FLAC, 16 kHz mono, 16 bit"})
KEPT_SCHEMA = pa.schema([*_KNOWN, _VIDEO, _SOUND])
INDEX_SCHEMA = pa.schema([*_KNOWN, pa.field("shard", _STR), pa.field("line", _INT, metadata={"meaning": "number in the shard, from 0"})])
_ORDER = [("clip_id", "ascending"), ("part_index", "ascending"), ("track_index", "ascending")]


def cache_plan(
    shape: CacheShape,
    *,
    crf: int | None = None,
    min_images: int | None = None,
    detector: str | None = None,
    detector_root: Path | None = None,
    detect_every: int | None = None,
) -> Plan:
    """The plan of ``syncqc cache``: read, find faces, keep their mouths; None takes the stage's own default."""
    root = None if detector_root is None else str(detector_root)
    faces = {"detector": detector, "detector_root": root, "every": detect_every}
    kept = {"crf": crf, "min_images": min_images}
    find = FindFaces(
        crop_height_px=shape.height_px, crop_width_px=shape.width_px, crop_margin=shape.margin,
        **{name: value for name, value in faces.items() if value is not None},  # type: ignore[arg-type]
    )  # fmt: skip
    return Plan(ReadClip(), [find, KeepCrops(**{name: value for name, value in kept.items() if value is not None})])


class PackJournal(Journal):
    """A journal whose clips bring their mouths along; done is a clip whose mouths are on the disk.

    A shard of mouths is written before the rows of its clips: one whose clips have no rows is left over from a run that was
    killed between the two, and goes. The shards stay as they are when the rows are merged.
    """

    def __init__(self, folder: Path, shape: CacheShape, settings: Mapping[str, object], provenance: Mapping[str, object]) -> None:
        """Looks at nothing yet; see `Journal`."""
        super().__init__(folder / CLIPS, settings, provenance)
        self.folder, self._shape = folder, shape

    def open(self, *, restart: bool = False) -> Self:
        """Ready to take results; see `Journal.open`.

        Raises:
            UsageError: also where the folder holds something else, or a damaged shard.
        """
        super().open(restart=restart)
        try:
            if restart:
                (self.folder / ABOUT).unlink(missing_ok=True)
            self._drop_left_overs()
        except BaseException:
            self.close()
            raise
        return self

    def finish(self) -> int:
        """The rows merged, the index written and, last, what it is all about; gives the number of rows."""
        n_rows = super().finish()
        self._seal(_index_of(_shards(self.folder)))
        return n_rows

    def n_kept(self) -> Counter[str]:
        """How many tracks of each clip done so far were kept; clips without any are not among them."""
        files = ([self.out] if self._has_finished else []) + self._shards("rows")
        rows = (row for path in files for row in store.read_rows(path, ("clip_id", "failure")))
        return Counter(str(row["clip_id"]) for row in rows if row["failure"] is None)

    @property
    def is_finished(self) -> bool:
        """Whether everything is in the index and the folder can be read."""
        return super().is_finished and (self.folder / ABOUT).exists()

    def _check_place(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"{self.folder} is a file; --out must name a folder")
        if self.folder.is_dir() and any(self.folder.iterdir()) and not (self.out.exists() or self.parts.exists()):
            raise UsageError(f"{self.folder} holds something else than a packed crop cache; choose another --out")
        super()._check_place()

    def _write_shard(self) -> None:
        (self.folder / ABOUT).unlink(missing_ok=True)
        lines = [line for result in self._waiting for line in result.kept]
        if lines:
            number = 1 + max((_number(path) for path in _shards(self.folder)), default=0)
            table = store.lines_table(lines, KEPT_SCHEMA)
            with written_aside(self.folder / f"crops-{number:06d}.parquet") as aside:
                pq.write_table(table, aside, compression="none", use_dictionary=False, row_group_size=LINES_PER_GROUP)
        super()._write_shard()

    def _drop_left_overs(self) -> None:
        for path in self.folder.iterdir():
            if _OWN_ASIDE.fullmatch(path.name):
                path.unlink()
        for shard in _shards(self.folder):
            if _first_clip(shard) not in self.done:
                shard.unlink()

    def _seal(self, index: pa.Table) -> None:
        with written_aside(self.folder / INDEX) as aside:
            pq.write_table(index, aside, compression="zstd")
        sums = {name: pc.sum(index.column(name)).as_py() or 0 for name in ("n_images", "n_video_bytes", "n_sound_bytes")}
        about = {
            **asdict(self._shape), "sound_rate_hz": SOUND_RATE_HZ, "n_clips": len(self.done), "n_tracks": index.num_rows, **sums,
            "made_by": self._provenance, "settings": self._settings,
        }  # fmt: skip
        with written_aside(self.folder / ABOUT) as aside:
            aside.write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Packed:
    """A finished packed cache, opened."""

    folder: Path
    about: dict[str, object]
    index: pa.Table
    """`INDEX_SCHEMA`, sorted by clip, part and track."""
    digest: str
    """Another one for another index."""

    @property
    def shape(self) -> CacheShape:
        """The shape of its crops."""
        return CacheShape(**{name: self.about[name] for name in asdict(CacheShape())})  # type: ignore[arg-type]


def is_packed(folder: Path) -> bool:
    """Whether the folder holds a finished packed cache."""
    return (folder / INDEX).exists() and (folder / ABOUT).exists()


def open_packed(folder: Path) -> Packed:
    """The packed cache in the folder.

    Raises:
        UsageError: there is no finished one, or a shard is missing.
    """
    if not is_packed(folder):
        raise UsageError(f"{folder} holds no finished packed crop cache ({INDEX} or {ABOUT} is missing)")
    index = pq.read_table(folder / INDEX)
    there = {path.name for path in _shards(folder)}
    if missing := sorted(set(index.column("shard").unique().to_pylist()) - there):
        raise UsageError(f"{folder} lacks {len(missing)} of its shards, {missing[0]} among them; was all of it copied?")
    digest = hashlib.sha256((folder / INDEX).read_bytes()).hexdigest()
    return Packed(folder, json.loads((folder / ABOUT).read_text(encoding="utf-8")), index, digest)


def _shards(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _SHARD.fullmatch(path.name))


def _number(shard: Path) -> int:
    found = _SHARD.fullmatch(shard.name)
    return int(found[1]) if found else 0


def _first_clip(shard: Path) -> str:
    """The clip of the first line; all clips of a shard become done together.

    Raises:
        UsageError: the file is no shard.
    """
    try:
        with pq.ParquetFile(shard) as file:
            first = next(file.iter_batches(batch_size=1, columns=["clip_id"]))
    except (pa.ArrowException, OSError, StopIteration, KeyError):
        raise UsageError(f"{shard} cannot be read; --restart throws away what is done") from None
    return str(first.column(0)[0].as_py())


def _index_of(shards: list[Path]) -> pa.Table:
    """The lines of all shards without video and sound, sorted."""
    known = [field.name for field in _KNOWN]
    tables = [INDEX_SCHEMA.empty_table()]
    for shard in shards:
        table = pq.read_table(shard, columns=known)
        n = table.num_rows
        places = (pa.repeat(shard.name, n), pa.array(range(n), pa.int32()))
        tables.append(pa.Table.from_arrays([*table.columns, *places], schema=INDEX_SCHEMA))
    return pa.concat_tables(tables).sort_by(_ORDER)
