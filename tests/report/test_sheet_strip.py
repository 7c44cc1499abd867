from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from syncqc.manifest.filter import filter_manifest
from syncqc.manifest.rules import Rules
from syncqc.manifest.store import SIMILARITY_SCHEMA, lines_table, similarity_path
from syncqc.measure.sync import measure
from syncqc.nets.checkpoint import file_sha256, find, read_header
from syncqc.report.sheet_strip import Strips

sys.path.insert(0, str(Path(__file__).parent))

from made_sheets import Row, complete, faces_of, manifest, row

MODEL = "ic-syncnet.small"
N = 56
"""Windows of a row of 60 images."""


def settings(**changed: object) -> dict[str, object]:
    weights = find(MODEL)
    return {"score.model": MODEL, "weights_sha256": file_sha256(str(weights), weights.stat().st_mtime_ns)} | changed


def matrix(seed: int, w: int = 15, best: int = 12) -> np.ndarray:
    """Cosines (2 w + 1, N), highest in row `best`; a few cells do not count."""
    chance = np.random.default_rng(seed)
    cosines = chance.uniform(-0.3, 0.1, (2 * w + 1, N))
    cosines[best] += 0.4
    cosines[best - 1 : best + 2, 20:23] = np.nan
    return cosines.astype(np.float16)


def line(name: str, cosines: np.ndarray, **changed: object) -> Row:
    where = {"clip_id": name, "part_index": 0, "track_index": 0, "w": len(cosines) // 2, "n_windows": cosines.shape[1]}
    return where | {"matrix": cosines.tobytes()} | changed


def stored(folder: Path, lines: list[Row], of: Row, **changed: object) -> Path:
    path = manifest(folder / "m.parquet", [of], faces_of(of["clip_id"]), settings(**changed))
    pq.write_table(lines_table(lines, SIMILARITY_SCHEMA), similarity_path(path), row_group_size=2)
    return path


@pytest.mark.parametrize(("w", "best"), [(15, 12), (30, 41)], ids=["w", "searched again with 2 w"])
@pytest.mark.parametrize("along", ["time", "offset"])
def test_the_windows_are_those_that_p_was_made_of(tmp_path: Path, w: int, best: int, along: str) -> None:
    cosines = matrix(1, w, best)
    header = read_header(find(MODEL))
    from syncqc.measure.settings import MeasureSettings

    found = measure(
        cosines.astype(np.float64), np.isfinite(cosines), header.tau, header.zero_offset_frames, MeasureSettings(smooth_along=along)
    )  # type: ignore[arg-type]
    assert found is not None and found.shift == best
    measured = row("c", offset_frames=found.offset_frames)
    lines = [line(name, matrix(9)) for name in "ab"] + [line("c", cosines), line("d", matrix(8))]
    strips = Strips(stored(tmp_path, lines, measured, **{"score.measures.smooth_along": along}))
    assert strips.reason is None
    np.testing.assert_allclose(strips.of(complete(measured)), found.window_probability, atol=1e-9)


def test_a_manifest_made_from_another_one_finds_its_matrices(tmp_path: Path) -> None:
    path = stored(tmp_path, [line("a", matrix(1))], row("a"))
    (tmp_path / "clean").mkdir()
    out = tmp_path / "clean" / "clean.parquet"
    filter_manifest(path, out, Rules())
    expected = Strips(path).of(complete(row("a")))
    assert expected is not None and Strips(out).reason is None
    np.testing.assert_array_equal(Strips(out).of(complete(row("a"))), expected)


UNKNOWN = {
    "no matrix of the clip": {"clip_id": "b"},
    "of another part": {"part_index": 1},
    "of another length": {"n_windows": N - 1},
    "cut short": {"matrix": b"\0\0"},
}


@pytest.mark.parametrize("changed", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_matrix_that_does_not_belong_to_the_row_is_not_used(tmp_path: Path, changed: dict[str, object]) -> None:
    strips = Strips(stored(tmp_path, [line("a", matrix(1), **changed)], row("a")))
    assert strips.reason is None
    assert strips.of(complete(row("a"))) is None


def test_why_there_is_no_probability_over_time_is_said(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert Strips(manifest(tmp_path / "none" / "m.parquet", [row("a")])).reason == "no similarity matrices are stored (--keep-similarity)"
    other = Strips(stored(tmp_path, [line("a", matrix(1))], row("a"), weights_sha256="0"))
    assert other.reason == f"the model {MODEL} here is not the one that measured"
    assert other.of(complete(row("a"))) is None
    unknown = Strips(stored(tmp_path, [line("a", matrix(1))], row("a"), **{"score.model": "ours.huge"}))
    assert unknown.reason == "the model ours.huge that measured is not here"
    path = stored(tmp_path, [line("a", matrix(1))], row("a"))
    similarity_path(path).write_text("no Parquet")
    assert Strips(path).reason == "m.parquet.similarity.parquet cannot be read"
    pq.write_table(pq.read_table(path), similarity_path(path))
    assert Strips(path).reason == "m.parquet.similarity.parquet holds no similarity matrices"
