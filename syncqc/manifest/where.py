"""The rows of a manifest that meet a condition written as in SQL: DuckDB reads it, checks it and carries it out.

Knows files and columns; neither rules nor commands. There is no parser here: the condition is what may stand behind ``WHERE`` in
DuckDB, over the manifest's columns. Inside a subquery the manifest is the table ``manifest``. The condition can read nothing but
the manifest and write nothing: DuckDB's way to other files and to the network is shut.
"""

from __future__ import annotations

import re
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from syncqc.errors import UsageError, unknown_name
from syncqc.manifest.columns import schema
from syncqc.manifest.store import ROWS_PER_GROUP, provenance

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_IS_MET = "is met"


def selected(manifest: Path, where: str | None = None, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows that meet the condition, in their order in the file, in batches, in constant memory.

    Without `columns` all of `manifest.columns.schema()`; a column that an older manifest lacks is null. What DuckDB cannot
    settle before it reads the rows (text that is no number, say) is raised while they are read.

    Raises:
        UsageError: no manifest, a condition that cannot be carried out, or an unknown column.
    """
    of = full_schema(manifest)
    wanted = schema() if columns is None else pa.schema([_field(of, name) for name in columns])
    names = ", ".join(_quoted(name) for name in wanted.names)
    connection = _opened(manifest, of)
    if where is not None:
        _check(connection, where, of)
    query = f"SELECT {names} FROM manifest" + (f" WHERE {_bracketed(where)}" if where is not None else "")
    return (_batch(list(batch.columns), wanted) for batch in _stream(connection, query, where, of))


def is_met(manifest: Path, where: str, among: str | None = None) -> Iterator[pa.Array]:
    """Whether each row meets the condition: booleans without nulls, in the order of the rows, in pieces.

    With `among`, a condition too, of the rows that `selected` gives for that.

    Raises:
        UsageError: as in `selected`.
    """
    of = full_schema(manifest)
    connection = _opened(manifest, of)
    _check(connection, where, of)
    query = f'SELECT coalesce(CAST({_bracketed(where)} AS BOOLEAN), false) AS "{_IS_MET}" FROM manifest'
    if among is not None:
        query += f" WHERE {_bracketed(among)}"
    return (batch.column(0) for batch in _stream(connection, query, where, of))


def in_sql(text: str) -> str:
    """The text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def query(manifest: Path, sql: str) -> list[tuple[object, ...]]:
    """The answer to a query of our own over the table ``manifest``; for answers of a few lines."""
    found: list[tuple[object, ...]] = _opened(manifest, full_schema(manifest)).execute(sql).fetchall()
    return found


def full_schema(manifest: Path) -> pa.Schema:
    """The manifest's columns as they are today, then those of the file that are none of them; metadata as today.

    Raises:
        UsageError: the file is missing, no Parquet, or no manifest of syncqc.
    """
    provenance(manifest)
    known = schema()
    others = [field for field in pq.read_schema(manifest) if field.name not in known.names]
    return pa.schema([*known, *others])


def _opened(manifest: Path, of: pa.Schema) -> DuckDBPyConnection:
    """A database whose only table is the manifest, and which can open nothing else."""
    import duckdb

    path = in_sql(_unglobbed(str(manifest)))
    there = pq.read_schema(manifest).names
    missing = "".join(f", NULL::{_sql_type(field.type)} AS {_quoted(field.name)}" for field in of if field.name not in there)
    # What lies in the folder for intermediate results may be opened: so it is one of our own, made only where it is needed.
    own = Path(tempfile.gettempdir()) / f"syncqc-{uuid.uuid4().hex}"
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "temp_directory": str(own)})
    connection.execute(f"SET allowed_paths = [{path}, {in_sql(str(manifest))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute(f"CREATE VIEW manifest AS SELECT *{missing} FROM read_parquet({path})")
    return connection


def _check(connection: DuckDBPyConnection, where: str, of: pa.Schema) -> None:
    """Lets DuckDB read the condition where only a condition may stand: no aggregates, no second statement."""
    import duckdb

    if not where.strip():
        raise UsageError("the condition is empty")
    try:
        sql = f"SELECT 1 FROM manifest WHERE {_bracketed(where)} LIMIT 0"
        if len(connection.extract_statements(sql)) != 1:
            raise UsageError(f"the condition {where!r} cannot be carried out: it is more than one statement")
        connection.execute(sql).fetchall()
    except duckdb.Error as error:
        raise _refusal(error, where, of) from None


def _stream(connection: DuckDBPyConnection, query: str, where: str | None, of: pa.Schema) -> Iterator[pa.RecordBatch]:
    import duckdb

    try:
        yield from connection.sql(query).to_arrow_reader(ROWS_PER_GROUP)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if where is None:
            raise
        raise _refusal(error, where, of) from None
    finally:
        connection.close()


def _refusal(error: Exception, where: str, of: pa.Schema) -> UsageError:
    """DuckDB's complaint as one sentence; an unknown column with the nearest one."""
    said = str(error).strip().splitlines()[0]
    unknown = re.search(r'Referenced column "([^"]*)" not found|does not have a column named "([^"]*)"', said)
    if unknown:
        return unknown_name("column", unknown[1] or unknown[2], of.names)
    reason = re.sub(r"^(?:\w+ )+Error: ", "", said)
    return UsageError(f"the condition {where!r} cannot be carried out: {reason}")


def _field(of: pa.Schema, name: str) -> pa.Field:
    if name not in of.names:
        raise unknown_name("column", name, of.names)
    return of.field(name)


def _batch(columns: list[pa.Array], of: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([column.cast(field.type) for column, field in zip(columns, of, strict=True)], schema=of)


def _bracketed(where: str) -> str:
    """The condition as one operand; the line break ends a comment it may end with."""
    return f"({where}\n)"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unglobbed(path: str) -> str:
    """The path as a pattern that matches nothing else: DuckDB takes ``* ? [`` in names as wildcards."""
    return re.sub(r"[*?\[]", lambda found: f"[{found[0]}]", path)


def _sql_type(of: pa.DataType) -> str:
    """The SQL name of a column's type."""
    if pa.types.is_list(of):
        return _sql_type(of.value_type) + "[]"
    if pa.types.is_struct(of):
        return "STRUCT(" + ", ".join(f"{_quoted(of.field(i).name)} {_sql_type(of.field(i).type)}" for i in range(of.num_fields)) + ")"
    names = {pa.string(): "VARCHAR", pa.int32(): "INTEGER", pa.float32(): "FLOAT", pa.float64(): "DOUBLE", pa.bool_(): "BOOLEAN"}
    return names[of]
