"""How probable it is at each moment of a row that lips and sound belong together, at the offset that was measured.

From the similarity matrices that ``--keep-similarity`` stored, by the same steps as the row's own p. Knows manifests, their sidecars and
checkpoints' headers; no video. Of a sidecar only the row groups are read that can hold the clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from syncqc.clock import shift_of_offset
from syncqc.errors import UsageError
from syncqc.manifest.store import SIMILARITY_SCHEMA, provenance, similarity_path, tracks_of
from syncqc.measure.probability import best_cosines, smooth, window_probability
from syncqc.measure.settings import DEFAULTS, MeasureSettings

F64 = npt.NDArray[np.float64]

_TRACKS_END = ".tracks.parquet"
_LINES_AT_ONCE = 64


@dataclass(frozen=True)
class Scale:
    """What turns a checkpoint's cosines into probabilities."""

    tau: float
    zero_offset_frames: int
    settings: MeasureSettings


class Strips:
    """Probabilities of a manifest's rows, as far as matrices of them are stored; may be asked from several threads."""

    def __init__(self, manifest: Path) -> None:
        """Finds the sidecar, beside the manifest or beside the stored faces, and the checkpoint."""
        self.reason: str | None = None
        """Why there are none."""
        self._file: pq.ParquetFile | None = None
        self._one_at_a_time = Lock()
        path = _sidecar(manifest)
        if path is None:
            self.reason = "no similarity matrices are stored (--keep-similarity)"
            return
        scale = _scale(provenance(manifest))
        if isinstance(scale, str):
            self.reason = scale
            return
        self._scale = scale
        try:
            self._file = pq.ParquetFile(path)
        except (OSError, pa.ArrowException):
            self.reason = f"{path.name} cannot be read"
            return
        if not set(SIMILARITY_SCHEMA.names) <= set(self._file.schema_arrow.names):
            self._file, self.reason = None, f"{path.name} holds no similarity matrices"

    def of(self, row: Mapping[str, Any]) -> F64 | None:
        """Probability per window (n,), nan where a window was not measured; None where no matrix of the row is stored."""
        if self._file is None:
            return None
        line = self._line(row)
        n_windows = int(row["n_images"]) - 4
        if line is None or row["offset_frames"] is None or line["n_windows"] != n_windows:
            return None
        w = line["w"]
        matrix = np.frombuffer(line["matrix"], "<f2").astype(np.float64)
        shift = shift_of_offset(int(row["offset_frames"]) + self._scale.zero_offset_frames, w)
        if matrix.size != (2 * w + 1) * n_windows or not 0 <= shift <= 2 * w:
            return None
        matrix = matrix.reshape(2 * w + 1, n_windows)
        return window_probability(best_cosines(smooth(matrix, np.isfinite(matrix), self._scale.settings), shift), self._scale.tau)

    def _line(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        with self._one_at_a_time:
            return self._read_line(row)

    def _read_line(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        assert self._file is not None
        number = self._file.schema_arrow.names.index("clip_id")
        for group in range(self._file.num_row_groups):
            span = self._file.metadata.row_group(group).column(number).statistics
            if span is not None and span.has_min_max and not span.min <= row["clip_id"] <= span.max:
                continue
            for batch in self._file.iter_batches(_LINES_AT_ONCE, [group], SIMILARITY_SCHEMA.names):
                is_it = pc.equal(batch.column("clip_id"), row["clip_id"])
                for name in ("part_index", "track_index"):
                    is_it = pc.and_(is_it, pc.equal(batch.column(name), row[name]))
                found = batch.filter(is_it)
                if found.num_rows:
                    return cast("dict[str, Any]", found.to_pylist()[0])
        return None


def _sidecar(manifest: Path) -> Path | None:
    """Where the matrices are: a manifest that was made from another one says where that one's faces are, and they lie beside those."""
    places = [similarity_path(manifest)]
    tracks = tracks_of(manifest)
    if tracks is not None and tracks.name.endswith(_TRACKS_END):
        places.append(similarity_path(tracks.with_name(tracks.name.removesuffix(_TRACKS_END))))
    return next((place for place in places if place.is_file()), None)


def _scale(made_by: Mapping[str, Any]) -> Scale | str:
    """How the checkpoint that measured reads its cosines, or why that is not known."""
    from syncqc.nets.checkpoint import file_sha256, find, read_header

    settings = made_by.get("settings") or {}
    model = settings.get("score.model")
    try:
        path = find(str(model))
        if file_sha256(str(path), path.stat().st_mtime_ns) != settings.get("weights_sha256"):
            return f"the model {model} here is not the one that measured"
        header = read_header(path)
    except (UsageError, OSError):
        return f"the model {model} that measured is not here"
    along = settings.get("score.measures.smooth_along", DEFAULTS.smooth_along)
    return Scale(header.tau, header.zero_offset_frames, replace(DEFAULTS, smooth_along=along))
