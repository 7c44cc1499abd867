"""``syncqc merge``: the manifests of several shares of one dataset become one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncqc.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa


def merge(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests of `syncqc score --shard i/n`.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The manifest to write.")] = Path("manifest.parquet"),
    force: Annotated[bool, typer.Option("--force", help="Replace a manifest that is already there.")] = False,
) -> None:
    """Puts the MANIFESTS of several shares, made with the same settings, into one."""
    from syncqc.manifest.store import TRACKS_KEY

    known = [_checked(path) for path in manifests]
    _check_place(manifests, out, force)
    _compare(manifests, known)
    _compare_filters(manifests, known)
    _refuse_common_clips(manifests)
    made_by = {**known[0], "settings": {**known[0]["settings"], "shard": None}}
    made_by.pop(TRACKS_KEY, None)  # they are merged too, and lie beside the manifest
    n_rows = _write(manifests, out, made_by)
    for missing in _missing([str(one["settings"].get("shard")) for one in known]):
        typer.echo(f"warning: share {missing} is not among them", err=True)
    typer.echo(f"{len(manifests)} manifests, {n_rows} rows; {out}")


def _checked(path: Path) -> dict[str, Any]:
    from syncqc.manifest.store import provenance

    parts = path.with_name(path.name + ".parts")
    if next(parts.glob("rows-*.parquet"), None) is not None:
        raise UsageError(f"{path} is not finished; run its `syncqc score` again first")
    return provenance(path)


def _check_place(manifests: list[Path], out: Path, force: bool) -> None:
    from syncqc.manifest.store import provenance

    if out.suffix != ".parquet":
        raise UsageError(f"--out must name a .parquet file, not {out}")
    if out.resolve() in {path.resolve() for path in manifests}:
        raise UsageError(f"{out} is one of the manifests to merge; choose another --out")
    if out.exists():
        provenance(out)
        if not force:
            raise UsageError(f"{out} is already there; --force replaces it")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}")


def _compare(manifests: list[Path], known: list[dict[str, Any]]) -> None:
    from syncqc.manifest.columns import SCHEMA_VERSION

    for path, one in zip(manifests, known, strict=True):
        version = one.get("schema_version", SCHEMA_VERSION)
        if version != SCHEMA_VERSION:
            way_out = "use a newer syncqc" if version > SCHEMA_VERSION else "score it again"
            raise UsageError(
                f"{path} holds version {version} of the manifest's columns, this syncqc merges version {SCHEMA_VERSION}; {way_out}"
            )
    first = known[0]["settings"]
    for path, one in zip(manifests, known, strict=True):
        settings = one["settings"]
        for name in sorted(first.keys() | settings.keys()):
            if name != "shard" and first.get(name) != settings.get(name):
                raise UsageError(
                    f"{manifests[0]} and {path} were made with different settings: {name} {first.get(name)!r} and {settings.get(name)!r}"
                )


def _compare_filters(manifests: list[Path], known: list[dict[str, Any]]) -> None:
    """Nothing, where all went through the same rules and none was put right; the sources of the filters may differ."""
    from syncqc.manifest.filter import rules_of

    for path, one in zip(manifests, known, strict=True):
        if "resync" in one:
            raise UsageError(f"{path} was written by `syncqc resync`; merge what it was made from instead")
        if rules_of(one) != rules_of(known[0]):
            raise UsageError(f"{manifests[0]} and {path} went through different rules of `syncqc filter`")


def _refuse_common_clips(manifests: list[Path]) -> None:
    from syncqc.manifest.store import read_clip_ids

    owners: dict[str, Path] = {}
    for path in manifests:
        for clip_id in set(read_clip_ids([path])):
            if clip_id in owners:
                raise UsageError(f"the clip {clip_id!r} is in both {owners[clip_id]} and {path}")
            owners[clip_id] = path


def _write(manifests: list[Path], out: Path, made_by: dict[str, Any]) -> int:
    from syncqc.manifest import store
    from syncqc.manifest.columns import TRACKS_SCHEMA, schema

    tracks = [found for path in manifests if (found := store.tracks_of(path)) is not None]
    similarities = [found for path in manifests if (found := store.similarity_path(path)).exists()]
    beside: list[tuple[list[Path], Path, pa.Schema]] = [
        (list(dict.fromkeys(tracks)), store.tracks_path(out), TRACKS_SCHEMA),
        (similarities, store.similarity_path(out), store.SIMILARITY_SCHEMA),
    ]
    for there, place, of in beside:
        if there:
            store.merge(there, place, of, made_by)
    return store.merge(manifests, out, schema(), made_by)


def _missing(shards: list[str]) -> list[str]:
    """The shares i/n that nobody brought, where all are shares of the same n."""
    found = [re.fullmatch(r"(\d+)/(\d+)", shard) for shard in shards]
    counts = {match[2] for match in found if match}
    if len(counts) != 1 or not all(found):
        return []
    n = int(counts.pop())
    return [f"{i}/{n}" for i in range(1, n + 1) if f"{i}/{n}" not in shards]
