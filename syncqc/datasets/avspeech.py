"""AVSpeech as its downloaders lay it down: its lists, and which line of them a clip is.

::

    avspeech_train.csv     ytid,start,end,x,y     no header; s in the video; x, y: centre of the speaker's face, shares of the picture
    avspeech_test.csv
    <ytid>_0030.000000-0033.500000.mp4            the usual names of clips: start and end with `-` or `_` between them, in seconds as
    <ytid>_30.0_33.5.mp4                          they stand in the list, or in whole milliseconds; `_video` may follow
    <ytid>_30000_33500.mp4

ids hold ``_`` and ``-``, so names are read from the right. A clip is the line with its id whose start is nearest, at most half a second
away. Names that do not say where they begin (``<ytid>.mp4``, ``<ytid>_3.mp4``) are no line, and their clips have no listed face.

The video stands for the speaker, as in LRS3: clips of one video mostly show one person, and who that is the lists don't say.
A clip's split is the folder ``train`` or ``test`` that it lies in, else that in the name of the list.

Source: Ephrat et al., Looking to Listen at the Cocktail Party; names: changil/avspeech-downloader, naba89/AVSpeechDownloader.
"""

from __future__ import annotations

import itertools
import logging
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from syncqc.datasets.listing import Beside, Listing, first_names, keep_split, named, videos_under
from syncqc.datasets.sounds import with_sound
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip
from syncqc.manifest.store import storable

log = logging.getLogger(__name__)

_NAME = re.compile(r"(?P<ytid>.+)_(?P<start>\d+(?:\.\d+)?)[-_](?P<end>\d+(?:\.\d+)?)(?:_video)?")
_USUAL = re.compile(r"[\w-]{11}_\d+\.\d{6}-\d+\.\d{6}")
"""Names that no other set has, by which the set is known without its list."""
_SHORTEST_IN_MS = 1000
"""Segments are 3 to 10 s long; one of whole numbers that seems to last longer is counted in milliseconds."""
_NEAR_S = 0.5
_N_LINES_LOOKED_AT = 5
_N_NAMES_LOOKED_AT = 20


@dataclass(frozen=True)
class _Segment:
    ytid: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class _Face:
    """A line of a list: where the segment is, where its face is, and which list it is in."""

    start_s: float
    end_s: float
    x: float
    y: float
    split: str | None


@dataclass(frozen=True)
class AvSpeech:
    """AVSpeech; its lists name about 2.6 million and 183,000 segments."""

    name: str = "avspeech"
    splits: tuple[str, ...] = ("train", "test")
    takes: frozenset[str] = frozenset({"audio_root", "segments"})

    def recognises(self, folder: Path) -> str | None:
        """Names the list of segments beside clips that are named after segments, or the names alone where they are the usual ones."""
        names = [Path(name).stem for name in itertools.islice(first_names(folder), _N_NAMES_LOOKED_AT)]
        if not any(segment_of(name) for name in names):
            return None
        found = _lists_near(folder)
        if found:
            return f"the list {found[0]}"
        usual = next((name for name in names if _USUAL.fullmatch(name)), None)
        return f"names such as {usual}" if usual else None

    def clips(self, folder: Path, split: str | None, beside: Beside) -> Listing:
        """Every video in the folder, with the face of its line in the list. See `Layout`."""
        listing = Listing(layout=self.name)
        clips = [Clip(clip_id, path, dataset=self.name) for clip_id, path in named(videos_under(folder, listing))]
        segments = {clip.clip_id: segment for clip in clips if (segment := segment_of(Path(clip.path).stem))}
        if clips and not segments:
            raise UsageError(f"{folder} is not avspeech: no video has a name like <ytid>_0030.000000-0033.500000.mp4")
        if beside.segments is not None and not beside.segments.is_file():
            raise UsageError(f"there is no file {beside.segments} (--segments)")
        lists = [beside.segments] if beside.segments is not None else _lists_near(folder)
        if lists and beside.segments is None:
            listing.found["segments"] = ", ".join(str(path.resolve()) for path in lists)
        faces = _faces(segments, lists, is_named=beside.segments is not None)
        listing.clips = sorted((self._told(clip, folder, segments, faces) for clip in clips), key=lambda clip: clip.clip_id)
        _tell_unlisted(listing.clips, lists, folder)
        keep_split(listing, split, self.splits, folder)
        if beside.audio_root is not None and listing.clips:
            listing.clips = with_sound(listing.clips, beside.audio_root)
        return listing

    def _told(self, clip: Clip, folder: Path, segments: dict[str, _Segment], faces: dict[str, _Face]) -> Clip:
        segment, face = segments.get(clip.clip_id), faces.get(clip.clip_id)
        folders = (*clip.clip_id.split("/")[:-1], folder.resolve().name)
        split = next((name for name in folders if name in self.splits), face.split if face else None)
        return replace(
            clip,
            speaker=storable(segment.ytid) if segment else None,
            split=split,
            listed_face_x=face.x if face else None,
            listed_face_y=face.y if face else None,
        )


def segment_of(stem: str) -> _Segment | None:
    """The segment that a file name without suffix names; None where it names none."""
    found = _NAME.fullmatch(stem)
    if found is None:
        return None
    start_s, end_s = float(found["start"]), float(found["end"])
    if "." not in found["start"] + found["end"] and end_s - start_s >= _SHORTEST_IN_MS:
        start_s, end_s = start_s / 1000, end_s / 1000
    return _Segment(found["ytid"], start_s, end_s) if end_s > start_s else None


def _lists_near(folder: Path) -> list[Path]:
    """The lists of segments in the folder, else those named ``avspeech*`` in the one that it lies in."""
    within = sorted(path for path in folder.glob("*.csv") if _is_list(path))
    return within or sorted(path for path in folder.resolve().parent.glob("avspeech*.csv") if _is_list(path))


def _is_list(path: Path) -> bool:
    """Whether one of its first lines is a segment."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return any(_face(line.rstrip().split(","), None) for line in itertools.islice(file, _N_LINES_LOOKED_AT))
    except OSError:
        return False


def _face(fields: list[str], split: str | None) -> _Face | None:
    """The face that a line speaks of; None where it is no segment."""
    if len(fields) != 5 or not fields[0]:
        return None
    try:
        start_s, end_s, x, y = (float(field) for field in fields[1:])
    except ValueError:
        return None
    is_right = 0 <= start_s < end_s < math.inf and 0 <= x <= 1 and 0 <= y <= 1
    return _Face(start_s, end_s, x, y, split) if is_right else None


def _faces(segments: dict[str, _Segment], lists: list[Path], *, is_named: bool) -> dict[str, _Face]:
    """By clip_id the line that is nearest to it; in memory are the clips and their lines, however long the lists are.

    Raises:
        UsageError: a list that was named is none, or cannot be read.
    """
    wanted: dict[str, list[str]] = {}
    for clip_id, segment in segments.items():
        wanted.setdefault(segment.ytid, []).append(clip_id)
    nearest: dict[str, tuple[tuple[float, float], _Face]] = {}
    for path in lists:
        if is_named and not _is_list(path):
            raise UsageError(f"{path} is no list of segments: its lines are not ytid,start,end,x,y")
        for ytid, face in _wanted_lines(path, wanted):
            for clip_id in wanted[ytid]:
                away = abs(face.start_s - segments[clip_id].start_s), abs(face.end_s - segments[clip_id].end_s)
                if away[0] <= _NEAR_S and (clip_id not in nearest or away < nearest[clip_id][0]):
                    nearest[clip_id] = (away, face)
    return {clip_id: face for clip_id, (_, face) in nearest.items()}


def _wanted_lines(path: Path, wanted: dict[str, list[str]]) -> Iterator[tuple[str, _Face]]:
    """The lines with these ids; of those, lines that are no segments are counted and told."""
    split = next((split for split in ("train", "test") if path.stem.endswith(f"_{split}")), None)
    n_broken = 0
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            for line in file:
                ytid, comma, _ = line.partition(",")
                if comma and ytid in wanted:
                    face = _face(line.rstrip().split(","), split)
                    if face is not None:
                        yield ytid, face
                    else:
                        n_broken += 1
                elif not comma and line.strip():
                    n_broken += 1
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if n_broken:
        log.warning("%d lines of %s are no segments (ytid,start,end,x,y) and are left out", n_broken, path)


def _tell_unlisted(clips: list[Clip], lists: list[Path], folder: Path) -> None:
    n_without = sum(clip.listed_face_x is None for clip in clips)
    if not lists:
        log.warning("no list of segments was found in or beside %s, so no clip has a listed face; name one with --segments", folder)
    elif n_without:
        names = ", ".join(path.name for path in lists)
        log.warning("%d of %d clips are no segment in %s and have no listed face", n_without, len(clips), names)
