"""`filter_manifest`: the rows of a manifest that meet the rules, as a manifest; the others with their reasons; and the sums.

Knows files, rules and sums; nothing of how they are shown. One pass over the manifest, in constant memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from syncqc import __version__
from syncqc.errors import UsageError
from syncqc.manifest import store
from syncqc.manifest.aside import written_aside
from syncqc.manifest.blocks import Block, whole_clips
from syncqc.manifest.columns import DROPPED_BY, SCHEMA_VERSION
from syncqc.manifest.funnel import Funnel, Tally
from syncqc.manifest.judge import Judge, Judged
from syncqc.manifest.listing import LIST_COLUMNS, check_style, list_lines
from syncqc.manifest.rules import Rules
from syncqc.manifest.where import full_schema

FILTER_KEY = "filter"
"""In the metadata of what a filter wrote: the filters that rows went through, the first one first."""


NO_OPTIONS = Rules()


class _NothingLeftError(Exception):
    """No row was kept, so that what was written aside is to go."""


def filter_manifest(
    source: Path,
    out: Path | None = None,
    rules: Rules = NO_OPTIONS,
    *,
    drops: Path | None = None,
    list_file: Path | None = None,
    list_style: str = "paths",
    force: bool = False,
) -> Funnel:
    """What the rules take and leave; written are the rows they leave, in their order, to `out`, the others to `drops`.

    Both have the columns of `source`; in `drops` `dropped_by` says why. Their metadata is that of `source` with one entry more under
    ``filter`` and the place of the faces under ``tracks``. `list_file` holds a line per kept clip, see `manifest.listing`. Files are
    there as a whole or not at all, and where no row is kept none is written. Without any of the three it only counts.

    Raises:
        UsageError: no manifest, one under way, rules or places that cannot be, a file that is there and no `force`.
    """
    check_style(list_style)
    _check_places(source, [place for place in (out, drops) if place is not None], list_file, force)
    judge = Judge(rules)
    tally = Tally(judge)
    is_dry = out is None and drops is None and list_file is None
    columns = None if out is not None or drops is not None else [*judge.columns, *([] if is_dry else LIST_COLUMNS)]
    try:
        with ExitStack() as files:
            kept_to = None if out is None else files.enter_context(_manifest(out, source, rules))
            dropped_to = None if drops is None else files.enter_context(_manifest(drops, source, rules))
            listed_to = None if list_file is None else files.enter_context(_text(list_file))
            for block in whole_clips(source, columns, rules.where):
                judged = judge(block)
                tally.add(block, judged)
                _write(block, judge, judged, kept_to, dropped_to, listed_to, list_style)
            if not is_dry and not tally.funnel().kept.n_rows:
                raise _NothingLeftError
    except _NothingLeftError:
        pass
    return tally.funnel()


def _write(
    block: Block,
    judge: Judge,
    judged: Judged,
    kept_to: _Rows | None,
    dropped_to: _Rows | None,
    listed_to: TextIO | None,
    list_style: str,
) -> None:
    is_kept = judged.taken_by == len(judge.steps)
    if kept_to is not None:
        kept_to.add(block.table.filter(pa.array(is_kept)), None)
    if dropped_to is not None:
        is_dropped = pa.array(~is_kept)
        dropped_to.add(block.table.filter(is_dropped), judge.names(block, judged).filter(is_dropped))
    if listed_to is not None:
        listed_to.writelines(list_lines(block.table.filter(pa.array(is_kept)), list_style))


class _Rows:
    """A manifest being written: rows gathered until they fill row groups."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._waiting: list[pa.Table] = []
        self._n_waiting = 0

    def add(self, rows: pa.Table, dropped_by: pa.Array | None) -> None:
        schema = self._writer.schema
        number = schema.get_field_index(DROPPED_BY.name)
        why = pa.nulls(rows.num_rows, pa.string()) if dropped_by is None else dropped_by
        rows = rows.set_column(rows.schema.get_field_index(DROPPED_BY.name), schema.field(number), why)
        self._waiting.append(rows.select(schema.names).replace_schema_metadata(schema.metadata))
        self._n_waiting += rows.num_rows
        if self._n_waiting >= store.ROWS_PER_GROUP:
            self.flush(self._n_waiting // store.ROWS_PER_GROUP * store.ROWS_PER_GROUP)

    def flush(self, n_rows: int | None = None) -> None:
        n_rows = self._n_waiting if n_rows is None else n_rows
        if not n_rows:
            return
        table = pa.concat_tables(self._waiting)
        self._writer.write_table(table.slice(0, n_rows), row_group_size=store.ROWS_PER_GROUP)
        self._waiting = [table.slice(n_rows)]
        self._n_waiting -= n_rows


@contextmanager
def _manifest(path: Path, source: Path, rules: Rules) -> Iterator[_Rows]:
    of = full_schema(source)
    made_by = json.dumps(_made_by(path, source, rules), sort_keys=True).encode()
    of = of.with_metadata({store.PROVENANCE_KEY: made_by})
    with written_aside(path) as aside, pq.ParquetWriter(aside, of, compression=store.COMPRESSION) as writer:
        rows = _Rows(writer)
        yield rows
        rows.flush()


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        yield file


def rules_of(known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rules of all filters that a manifest's rows went through, by its metadata, the first one first."""
    return [{name: value for name, value in one.items() if name not in ("manifest", "syncqc")} for one in known.get(FILTER_KEY, [])]


def _made_by(path: Path, source: Path, rules: Rules) -> dict[str, Any]:
    """The metadata of what is written: the source's, and what this filter was."""
    known = store.provenance(source)
    this = {"manifest": source.name, "syncqc": __version__, **rules.with_defaults_left_out(), "per": rules.per}
    kept = {name: value for name, value in known.items() if name != store.TRACKS_KEY}
    return {
        **kept,
        "schema_version": SCHEMA_VERSION,
        FILTER_KEY: [*known.get(FILTER_KEY, []), this],
        **store.tracks_from(source, path),
    }


def _check_places(source: Path, manifests: list[Path], list_file: Path | None, force: bool) -> None:
    """Refuses a source that is not there or not finished, and places that would lose something."""
    store.provenance(source)
    store.refuse_unfinished(source)
    places = [*manifests, *([] if list_file is None else [list_file])]
    for i, place in enumerate(places):
        if place.resolve() == source.resolve():
            raise UsageError(f"{place} is the manifest that is filtered; choose another place")
        if place.resolve() in {other.resolve() for other in places[:i]}:
            raise UsageError(f"{place} is named twice; each file needs its own place")
        if not place.parent.is_dir():
            raise UsageError(f"there is no folder {place.parent}")
        if place.is_dir():
            raise UsageError(f"{place} is a folder")
        if place.exists() and not force:
            raise UsageError(f"{place} is already there; --force replaces it")
    for place in manifests:
        _check_manifest_place(place)


def _check_manifest_place(place: Path) -> None:
    if place.suffix != ".parquet":
        raise UsageError(f"a manifest must be a .parquet file, not {place}")
    if place.exists():
        store.provenance(place)
    if store.tracks_path(place).exists():
        raise UsageError(f"{place} was written by `syncqc score`, its faces are in {store.tracks_path(place)}; choose another place")
