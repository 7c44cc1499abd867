"""The beginnings of clips on the disk: what a run over many clips fills, shard by shard, and what the start-time test draws from.

One folder::

    starts-000001.arrow ...    a line per clip: its pictures or its sound, uncompressed, so that a trim is read in place
    clips.parquet              what became of every clip, like a manifest, with the reason where nothing was kept

Knows the journal of the engine; no network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from syncqc.engine.assemble import ClipResult
from syncqc.engine.journal import Journal
from syncqc.engine.plan import Plan
from syncqc.errors import UsageError
from syncqc.manifest.aside import written_aside
from syncqc.stages.start_time import MAX_STEPS, STEPS_PER_S, ReadStart

CLIPS = "clips.parquet"
_CLIPS_PER_SHARD = 32
_SHARD = re.compile(r"starts-(\d+)\.arrow")
_OWN_ASIDE = re.compile(r"\.starts-\d+\.arrow\..*part")
_SCHEMA = pa.schema(
    [
        pa.field("clip_id", pa.string()),
        pa.field("source", pa.string()),
        pa.field("group", pa.string(), metadata={"meaning": "the speaker, or the clip_id where none is known"}),
        pa.field("n_steps", pa.int32(), metadata={"meaning": "length in steps of 0.1 s"}),
        pa.field("period_s", pa.float64(), metadata={"meaning": "between key frames, or of the sound codec's blocks; null: not regular"}),
        pa.field("rate_hz", pa.int32()),
        pa.field("side_px", pa.int32()),
        pa.field("places", pa.large_binary(), metadata={"meaning": "int16 (50, 50): the picture that is image j of the trim from step s"}),
        pa.field("pictures", pa.large_binary(), metadata={"meaning": "uint8 (n, side_px, side_px, 3), RGB"}),
        pa.field("sound", pa.large_binary(), metadata={"meaning": "int16 (n,), mono, little-endian"}),
    ]
)


def leak_plan(source: ReadStart) -> Plan:
    """The plan of ``syncqc leak``: clips are read, and nothing else."""
    return Plan(source)


def bytes_per_clip(source: ReadStart) -> int:
    """About what a clip of 10 s takes on the disk: 15 pictures per second, or 48 kHz."""
    return 150 * source.side_px**2 * 3 if source.modality == "rgb" else 2 * 48_000 * MAX_STEPS // STEPS_PER_S


class StartJournal(Journal):
    """A journal whose clips bring their beginnings along; done is a clip whose beginning is on the disk.

    A shard is written before the rows of its clips: one whose clips have no rows is left over from a run that was killed between the
    two, and goes.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object], provenance: Mapping[str, object]) -> None:
        """Looks at nothing yet; see `Journal`."""
        super().__init__(folder / CLIPS, settings, provenance)
        self.folder = folder

    def open(self, *, restart: bool = False) -> Self:
        """Ready to take results; see `Journal.open`.

        Raises:
            UsageError: also where the folder holds something else, or a damaged shard.
        """
        super().open(restart=restart)
        try:
            self._drop_left_overs()
        except BaseException:
            self.close()
            raise
        return self

    def add(self, result: ClipResult) -> None:
        """Takes one whole clip; see `Journal.add`. Few are kept waiting: each is some megabytes."""
        super().add(result)
        if len(self._waiting) >= _CLIPS_PER_SHARD:
            self.flush()

    def _check_place(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"{self.folder} is a file; the clips' beginnings go into a folder of that name")
        if self.folder.is_dir() and any(self.folder.iterdir()) and not (self.out.exists() or self.parts.exists()):
            raise UsageError(f"{self.folder} holds something else than the beginnings of clips; choose another --out or --prepared")
        super()._check_place()

    def _write_shard(self) -> None:
        lines = [line for result in self._waiting for line in result.kept]
        if lines:
            number = 1 + max((_number(path) for path in _shards(self.folder)), default=0)
            table = pa.Table.from_pylist(lines, schema=_SCHEMA)
            with written_aside(self.folder / f"starts-{number:06d}.arrow") as aside, pa.ipc.new_file(str(aside), _SCHEMA) as file:
                file.write_table(table)
        super()._write_shard()

    def _drop_left_overs(self) -> None:
        for path in list(self.folder.iterdir()):
            if _OWN_ASIDE.fullmatch(path.name):
                path.unlink()
        for shard in _shards(self.folder):
            if _lines(shard).column("clip_id")[0].as_py() not in self.done:
                shard.unlink()


@dataclass(frozen=True)
class Start:
    """The beginning of one clip, its pictures or its sound lying on the disk until they are read."""

    clip_id: str
    source: str
    group: str
    n_steps: int
    period_s: float | None
    rate_hz: int | None
    places: npt.NDArray[np.int16]
    pictures: npt.NDArray[np.uint8]
    sound: npt.NDArray[np.int16]

    def images(self, step: int, n: int) -> npt.NDArray[np.uint8]:
        """The `n` images of the trim that begins at `step`, `(n, side, side, 3)`."""
        return self.pictures[self.places[step, :n]]

    def samples(self, step: int, n_steps: int) -> npt.NDArray[np.int16]:
        """The sound of the trim of `n_steps` that begins at `step`."""
        assert self.rate_hz is not None
        first = step * self.rate_hz // STEPS_PER_S
        return self.sound[first : first + n_steps * self.rate_hz // STEPS_PER_S]


def open_starts(folder: Path) -> list[Start]:
    """The beginnings in the folder, by clip_id.

    Raises:
        UsageError: a shard cannot be read.
    """
    starts = []
    for shard in _shards(folder):
        table = _lines(shard)
        known = table.select([field.name for field in _SCHEMA if not pa.types.is_large_binary(field.type)]).to_pylist()
        for i, line in enumerate(known):
            side = line.pop("side_px") or 1
            places = np.frombuffer(_bytes(table, "places", i), np.int16)
            pictures = np.frombuffer(_bytes(table, "pictures", i), np.uint8)
            starts.append(
                Start(
                    **line,
                    places=places.reshape(-1, MAX_STEPS // 2),
                    pictures=pictures.reshape(-1, side, side, 3),
                    sound=np.frombuffer(_bytes(table, "sound", i), np.int16),
                )
            )
    return sorted(starts, key=lambda start: start.clip_id)


def _lines(shard: Path) -> pa.Table:
    try:
        return pa.ipc.open_file(pa.memory_map(str(shard))).read_all()
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{shard} cannot be read ({error}); --restart throws away what is done") from None


def _bytes(table: pa.Table, name: str, i: int) -> Any:
    """What lies in the file, not a copy."""
    value = table.column(name)[i]
    return value.as_buffer() if value.is_valid else b""


def _shards(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _SHARD.fullmatch(path.name))


def _number(shard: Path) -> int:
    found = _SHARD.fullmatch(shard.name)
    return int(found[1]) if found else 0
