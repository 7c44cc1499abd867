"""What is to become of each clip of a manifest, decided before anything is written: the settings, the status, the files.

One offset per clip: `clip_offset_frames`, which `stages.pool` voted. Within `MAX_IN_TIME_FRAMES` nothing is shifted. A clip is left
alone where none of its rows was measured, where confident parts disagree, and where the offset is not sure enough: its
`clip_probability_in_sync` is missing or below `min_p`, or every measured part has its best shift at the edge of the search.

The tree of the source is kept: a clip lies at its clip_id with the suffix of its file. A sidecar below the folder of the videos keeps
its own place there (``dev/mp4/id/yt/00001.mp4`` and ``dev/aac/id/yt/00001.m4a``); one from another folder comes to lie beside its
video, so that ``--audio-root`` finds it. Sound that several clips share (`audio_start_s` is set) goes into each clip's video file, also
where it is in time. With ``per="part"`` each part with a measured row becomes ``<clip_id>_part003.mp4``, shifted by the offset of the
clip, not by its own: a vote of all parts is surer than one of them, and parts that disagree confidently make the clip drift.

Knows manifests and paths; no media, no engine, no command.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, cast

from syncqc.errors import UsageError, unknown_name
from syncqc.manifest.resync_status import ResyncStatus
from syncqc.manifest.select import MAX_IN_TIME_FRAMES
from syncqc.manifest.store import path_on_disk, provenance, refuse_unfinished
from syncqc.manifest.where import selected
from syncqc.stages.put_right import Cut, Repairable, sidecar_codec, sidecar_suffix

MODES = ("bake", "remux", "virtual")
AUDIO_CODECS = ("aac", "flac", "pcm", "opus")
PER = ("clip", "part")
LINKS = ("copy", "hard", "sym")
VERIFY = ("none", "sample", "all")

_COLUMNS = (
    "clip_id", "path", "audio_path", "audio_start_s", "part_index", "start_s", "end_s", "duration_s", "offset_frames",
    "is_offset_at_edge", "clip_offset_frames", "clip_probability_in_sync", "is_offset_drifting", "failure",
)  # fmt: skip


@dataclass(frozen=True)
class ResyncSettings:
    """How clips are put right.

    Raises:
        UsageError: a value is none of those known.
    """

    mode: str = "bake"
    """bake: the sound is shifted as samples and encoded anew; remux: only timestamps are; virtual: no file is written."""
    audio_codec: str | None = None
    """None: AAC in video files (Opus in WebM); in a sidecar what it held: PCM in WAV, FLAC in FLAC."""
    audio_rate_hz: int | None = None
    audio_bit_rate_kbps: int | None = None
    per: str = "clip"
    link: str = "copy"
    """How clips that need nothing are placed."""
    skip: bool = False
    """Clips that need nothing are not placed."""
    min_p: float = 0.8
    """Least `clip_probability_in_sync`; from the same value on a part counts as confident in the vote."""
    verify: str = "sample"
    verify_sample: int = 20
    model: str | None = None
    """The network that measures again; None: the one that made the manifest."""

    def __post_init__(self) -> None:
        """Refuses unknown words and numbers out of range."""
        known = {"mode": MODES, "audio_codec": (*AUDIO_CODECS, None), "per": PER, "link": LINKS, "verify": VERIFY}
        for name, words in known.items():
            if getattr(self, name) not in words:
                raise unknown_name("value of --" + name.replace("_", "-"), str(getattr(self, name)), [word for word in words if word])
        if not 0 <= self.min_p <= 1:
            raise UsageError(f"--min-p must lie in 0-1, not {self.min_p:g}")
        for name in ("audio_rate_hz", "audio_bit_rate_kbps", "verify_sample"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name.replace('_', '-').removesuffix('-hz').removesuffix('-kbps')} must be 1 or more, not {value}")

        if self.per == "part" and self.mode != "bake":
            raise UsageError(f"--per part encodes anew what it cuts, which --mode {self.mode} does not; use --mode bake")

    @property
    def of_the_files(self) -> dict[str, object]:
        """What decides what is written; the rest decides what is measured again."""
        return {name: value for name, value in self.plain.items() if name not in ("verify", "verify_sample", "model")}

    @property
    def plain(self) -> dict[str, object]:
        """All settings by name."""
        return dict(vars(self))


@dataclass(slots=True)
class Decided:
    """One clip of the manifest and what becomes of it; without a `job` no file does."""

    clip_id: str
    status: ResyncStatus
    duration_s: float
    offset_frames: int | None
    probability: float | None
    job: Repairable | None = None


@dataclass
class Decisions:
    """All clips in the order of the manifest, and which folders their files come from."""

    clips: list[Decided] = field(default_factory=list)
    source_roots: set[str] = field(default_factory=set)

    @property
    def jobs(self) -> list[Repairable]:
        """What there is to do."""
        return [clip.job for clip in self.clips if clip.job is not None]


def decide(manifest: Path, out: Path, settings: ResyncSettings, root: Path | None = None) -> Decisions:
    """What becomes of each clip; nothing is written.

    Relative paths are looked for under `root`, else where the run that made the manifest was started, else here.

    Raises:
        UsageError: no manifest, an unfinished one, two clips with one output, or names that lead out of `out`.
    """
    made_by = provenance(manifest)
    refuse_unfinished(manifest)
    places = _Places(out, settings, root, cast("dict[str, Any]", made_by.get("settings") or {}))
    decisions = Decisions()
    for clip_id, seen in _clips(manifest):
        status, offset = _status(seen, settings), seen.of_clip["clip_offset_frames"]
        probability = seen.of_clip["clip_probability_in_sync"]
        one = Decided(clip_id, status, seen.duration_s, cast("int | None", offset), cast("float | None", probability))
        is_in_time = status is ResyncStatus.IN_TIME
        if status is ResyncStatus.SHIFTED or (is_in_time and not settings.skip and settings.mode != "virtual"):
            one.job = places.job(clip_id, seen, 0 if is_in_time else cast(int, offset))
        decisions.source_roots |= places.root_of(clip_id, cast(str, seen.of_clip["path"]))
        if settings.mode == "virtual" and status is ResyncStatus.SHIFTED:
            one.status, one.job = ResyncStatus.VIRTUAL, None
        decisions.clips.append(one)
    decisions.source_roots |= places.recorded_roots
    return decisions


@dataclass(slots=True)
class _Seen:
    """What the rows of one clip say."""

    of_clip: dict[str, object]
    duration_s: float = 0.0
    is_measured: bool = False
    is_inside: bool = False
    """A measured row has its best shift inside the range searched."""
    spans_s: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Stretch of the measured rows by part."""

    def add(self, row: Mapping[str, Any]) -> None:
        start_s, end_s = row["start_s"], row["end_s"]
        self.duration_s = max(self.duration_s, row["duration_s"] or end_s or 0.0)
        if row["failure"] is not None or row["offset_frames"] is None:
            return
        self.is_measured = True
        self.is_inside |= row["is_offset_at_edge"] is not True
        if start_s is not None and end_s is not None:
            first_s, last_s = self.spans_s.get(row["part_index"], (start_s, end_s))
            self.spans_s[row["part_index"]] = min(first_s, start_s), max(last_s, end_s)


def _clips(manifest: Path) -> Iterator[tuple[str, _Seen]]:
    """The clips one by one, so that only what is decided of them is kept.

    Raises:
        UsageError: the rows of a clip do not stand together.
    """
    clip_id, seen = "", None
    before: set[str] = set()
    for batch in selected(manifest, None, _COLUMNS):
        for row in batch.to_pylist():
            if seen is None or row["clip_id"] != clip_id:
                if seen is not None:
                    yield clip_id, seen
                clip_id, seen = row["clip_id"], _Seen(row)
                if clip_id in before:
                    raise UsageError(
                        f"the rows of {clip_id!r} in {manifest} do not stand together; put the manifest in order with `syncqc merge`"
                    )
                before.add(clip_id)
            seen.add(row)
    if seen is not None:
        yield clip_id, seen


def _status(seen: _Seen, settings: ResyncSettings) -> ResyncStatus:
    """What the rows call for; the first reason against a repair decides."""
    offset, probability = seen.of_clip["clip_offset_frames"], seen.of_clip["clip_probability_in_sync"]
    if not seen.is_measured or offset is None:
        return ResyncStatus.NOT_MEASURED
    if seen.of_clip["is_offset_drifting"]:
        return ResyncStatus.DRIFTING
    if probability is None or cast(float, probability) < settings.min_p or not seen.is_inside:
        return ResyncStatus.UNSURE
    return ResyncStatus.IN_TIME if abs(cast(int, offset)) <= MAX_IN_TIME_FRAMES else ResyncStatus.SHIFTED


class _Places:
    """Where clips are and where they go."""

    def __init__(self, out: Path, settings: ResyncSettings, root: Path | None, made_with: Mapping[str, Any]) -> None:
        self._out, self._settings, self._root = out, settings, root
        self._source = Path(made_with["source"]) if made_with.get("source") else None
        self._taken: dict[str, str] = {}
        known = [made_with.get("source"), made_with.get("audio_root"), None if root is None else str(root)]
        self.recorded_roots = {os.path.realpath(folder) for folder in known if folder and Path(folder).is_dir()}

    def job(self, clip_id: str, seen: _Seen, shift_frames: int) -> Repairable:
        of_clip = seen.of_clip
        stored = str(of_clip["path"])
        tree = tree_path(clip_id, stored)
        path = self._found(stored, tree)
        audio_path = None if of_clip["audio_path"] is None else self._found(str(of_clip["audio_path"]), tree, stored)
        start_s = cast("float | None", of_clip["audio_start_s"])
        is_cut = self._settings.per == "part"
        cuts = tuple(self._cut(clip_id, tree, part, *span) for part, span in sorted(seen.spans_s.items())) if is_cut else ()
        if self._settings.mode == "remux" and audio_path is not None and (shift_frames or start_s is not None):
            raise UsageError(
                f"--mode remux moves times inside a video file, and the sound of {clip_id!r} is in {audio_path}; use --mode bake"
            )
        out_audio = None
        if audio_path is not None and start_s is None and not is_cut:
            out_audio = self._taken_by(clip_id, self._sidecar_tree(tree, path, audio_path, is_encoded=shift_frames != 0))
        return Repairable(
            clip_id,
            str(path),
            None if audio_path is None else str(audio_path),
            audio_start_s=start_s,
            shift_frames=shift_frames,
            out_path=str(self._out / tree) if is_cut else self._taken_by(clip_id, tree),
            out_audio_path=out_audio,
            cuts=cuts,
            duration_s=seen.duration_s,
        )

    def root_of(self, clip_id: str, stored: str) -> set[str]:
        """The folder that the clip_id is relative to, where the manifest does not say it."""
        if self.recorded_roots or (self._source is not None and self._source.is_file()):
            return set()
        tree = tree_path(clip_id, stored)
        path = os.path.realpath(self._found(stored, tree))
        folder = path.removesuffix("/" + str(tree)) if path.endswith("/" + str(tree)) else str(Path(path).parent)
        return {folder} - {""}  # a list of absolute paths

    def _found(self, stored: str, tree: PurePosixPath, beside: str | None = None) -> Path:
        """Where a stored path is now; `beside` is the video's stored path where `stored` is its sidecar's."""
        path = Path(path_on_disk(stored))
        if path.is_absolute():
            return path
        if self._root is not None:
            return self._root / path
        begun_in = self._begun_in(Path(path_on_disk(beside or stored)), tree)
        return begun_in / path if begun_in is not None else path

    def _begun_in(self, path: Path, tree: PurePosixPath) -> Path | None:
        """The folder in which the scoring was started, told by the recorded source and the way its paths begin."""
        n = len(path.parts) - len(tree.parts)
        if self._source is None or path.parts[n:] != tree.parts or ".." in path.parts:
            return None
        ahead = path.parts[:n]
        if self._source.parts[len(self._source.parts) - n :] != ahead:
            return None
        return Path(*self._source.parts[: len(self._source.parts) - n])

    def _cut(self, clip_id: str, tree: PurePosixPath, part: int, start_s: float, end_s: float) -> Cut:
        return Cut(part, start_s, end_s, self._taken_by(clip_id, tree.with_name(f"{tree.stem}_part{part:03d}{tree.suffix}")))

    def _sidecar_tree(self, tree: PurePosixPath, path: Path, audio_path: Path, is_encoded: bool) -> PurePosixPath:
        videos = str(path).removesuffix(str(tree))
        is_below = videos != str(path) and videos != "/" and str(audio_path).startswith(videos)
        place = PurePosixPath(str(audio_path).removeprefix(videos)) if is_below else tree.with_suffix(audio_path.suffix)
        if self._settings.mode == "remux" or not is_encoded:
            return place
        return place.with_suffix(sidecar_suffix(place.suffix, sidecar_codec(place.suffix, self._settings.audio_codec)))

    def _taken_by(self, clip_id: str, tree: PurePosixPath) -> str:
        if ".." in tree.parts or tree.is_absolute():
            raise UsageError(f"the clip {clip_id!r} would be written outside of {self._out}")
        out = str(self._out / tree)
        if out in self._taken:
            raise UsageError(f"the clips {self._taken[out]!r} and {clip_id!r} would both be written to {out}")
        self._taken[out] = clip_id
        return out


def tree_path(clip_id: str, path: str) -> PurePosixPath:
    """Where the clip lies below the folder it came from: its clip_id and its suffix, which the clip_id may have already."""
    name, place = PurePosixPath(path_on_disk(path)).name, PurePosixPath(path_on_disk(clip_id))
    return place if place.name == name else place.with_name(place.name + PurePosixPath(name).suffix)


def out_paths(job: Repairable) -> Iterator[str]:
    """Every file that the job makes."""
    if job.cuts:
        yield from (cut.out_path for cut in job.cuts)
    else:
        yield job.out_path
    if job.out_audio_path is not None:
        yield job.out_audio_path
