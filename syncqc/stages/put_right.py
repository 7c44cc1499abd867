"""A clip becomes the file in which its sound lies where it should: written anew, cut into parts, or placed as it is.

Knows where the files go and what is done to the sound, because it is told; neither how an offset was found nor manifests.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

from syncqc.errors import ClipError, UsageError
from syncqc.manifest import columns as c
from syncqc.manifest.resync_status import ResyncStatus
from syncqc.manifest.row import Clip, Row
from syncqc.media.mux import MuxError
from syncqc.media.place import How, place
from syncqc.media.repair import AudioCodec, Mode, Repair
from syncqc.media.resync import cut_part, repair_sidecar, repair_video
from syncqc.media.resync_coding import SOUND_FILES, VIDEO_FILES
from syncqc.stages.base import Payload, Source
from syncqc.stages.part import Part

NO_ROOM = "no space is left on the disk"
"""The `detail` of a clip that could not be written for this reason alone; the run must stop, not go on to the next clip."""

_NO_ROOM_ERRORS = (errno.ENOSPC, errno.EDQUOT)
_NO_ROOM_WORDS = ("No space left on device", "Disk quota exceeded")
_LEAST_FREE_BYTES = 2**20

_OWN_SUFFIX: dict[AudioCodec, str] = {"aac": ".m4a", "flac": ".flac", "pcm": ".wav", "opus": ".opus"}


@dataclass(frozen=True)
class Cut:
    """A stretch of a clip that becomes a file of its own; times in s after the first image shown."""

    part_index: int
    start_s: float
    end_s: float
    out_path: str


@dataclass(frozen=True)
class Repairable(Clip):
    """A clip, what is to be done with it, and where the result goes. With `cuts` only these are written.

    Where the sound comes from a sidecar, it goes to `out_audio_path`, and without one into the video file.
    """

    shift_frames: int = 0
    out_path: str = ""
    out_audio_path: str | None = None
    cuts: tuple[Cut, ...] = ()
    duration_s: float | None = None

    @property
    def is_sound_joined(self) -> bool:
        """The sound of a sidecar goes into the video file."""
        return self.audio_path is not None and self.out_audio_path is None

    @property
    def is_written(self) -> bool:
        """A file is made, not only placed."""
        return bool(self.shift_frames or self.cuts or self.is_sound_joined)


def codec_in(suffix: str, wanted: str | None) -> AudioCodec:
    """The codec of the sound in a video file of that suffix: the one wanted, else AAC, in WebM Opus, in AVI PCM."""
    return cast("AudioCodec", wanted if wanted is not None else VIDEO_FILES.get(suffix.lower(), ("aac",))[0])


def sidecar_codec(suffix: str, wanted: str | None) -> AudioCodec:
    """The codec of a sound file: the one wanted, else what a file of that suffix holds: never lossy where it was not."""
    held = SOUND_FILES.get(suffix.lower(), ("aac",))
    return cast("AudioCodec", wanted if wanted is not None else held[0])


def sidecar_suffix(suffix: str, codec: AudioCodec) -> str:
    """The suffix of a written sound file: the source's where it can hold the codec, else the codec's own."""
    return suffix if codec in SOUND_FILES.get(suffix.lower(), ()) else _OWN_SUFFIX[codec]


@dataclass
class PutRight(Source):
    """One part per file that was to be written, without pictures and sound: its row says what was done, or why not."""

    mode: Mode = "bake"
    audio_codec: AudioCodec | None = None
    """None: AAC in video files (Opus in WebM, PCM in AVI); in a sidecar what it held: PCM in WAV, FLAC in FLAC."""
    audio_rate_hz: int | None = None
    audio_bit_rate_kbps: int | None = None
    link: str = "copy"

    writes: ClassVar[tuple[c.Column | Payload, ...]] = (
        c.PART_INDEX, c.N_PARTS, c.DURATION_S, c.RESYNC_STATUS, c.RESYNC_SHIFT_FRAMES, c.RESYNC_PAD_S, c.RESYNCED_PATH,
        c.RESYNCED_AUDIO_PATH, c.DETAIL,
    )  # fmt: skip

    def __call__(self, clip: Clip) -> Iterator[Part]:
        """One part per file; see `Source`."""
        assert isinstance(clip, Repairable), clip
        if not clip.cuts:
            yield self._part(clip, 0, 1, lambda: self._whole(clip))
        for cut in clip.cuts:
            yield self._part(clip, cut.part_index, len(clip.cuts), lambda cut=cut: self._cut(clip, cut))  # type: ignore[misc]

    def repair(self, shift_frames: int, codec: AudioCodec) -> Repair:
        """What is done to the sound of a clip that is off by so much."""
        return Repair(shift_frames, self.mode, codec, self.audio_rate_hz, self.audio_bit_rate_kbps)

    def _part(self, clip: Repairable, part_index: int, n_parts: int, work: Callable[[], Row]) -> Part:
        part = Part(clip, part_index, n_parts, 0, 0)
        part.row = {"duration_s": clip.duration_s}
        try:
            part.row |= {"resync_status": _status(clip), "resync_shift_frames": clip.shift_frames, **work()}
        except (ClipError, MuxError, UsageError, OSError) as error:
            part.row |= {"resync_status": str(ResyncStatus.FAILED), "detail": _in_words(error, Path(clip.out_path).parent)}
        return part

    def _whole(self, clip: Repairable) -> Row:
        source, out = Path(clip.path), Path(clip.out_path)
        out.parent.mkdir(parents=True, exist_ok=True)
        if clip.out_audio_path is not None:
            return self._with_sidecar(clip, source, out)
        if not clip.is_written:
            self._place(source, out)
            return {"resynced_path": str(out), "resync_pad_s": 0.0}
        repair = self.repair(clip.shift_frames, codec_in(out.suffix, self.audio_codec))
        _unlink(source, out)
        done = repair_video(source, out, repair, *_sound_of(clip))
        _date_as(source, out)
        return _said(done.pad_s, done.notes) | {"resynced_path": str(out)}

    def _with_sidecar(self, clip: Repairable, source: Path, out: Path) -> Row:
        """The video as it is; only the sound beside it is written."""
        sidecar, start_s = _sound_of(clip)
        out_sidecar = Path(str(clip.out_audio_path))
        out_sidecar.parent.mkdir(parents=True, exist_ok=True)
        assert sidecar is not None
        said: Row = {"resync_pad_s": 0.0}
        if clip.shift_frames:
            repair = self.repair(clip.shift_frames, sidecar_codec(sidecar.suffix, self.audio_codec))
            _unlink(sidecar, out_sidecar)
            done = repair_sidecar(source, sidecar, out_sidecar, repair, start_s)
            _date_as(sidecar, out_sidecar)
            said = _said(done.pad_s, done.notes)
        else:
            self._place(sidecar, out_sidecar)
        self._place(source, out)
        return said | {"resynced_path": str(out), "resynced_audio_path": str(out_sidecar)}

    def _cut(self, clip: Repairable, cut: Cut) -> Row:
        source, out = Path(clip.path), Path(cut.out_path)
        out.parent.mkdir(parents=True, exist_ok=True)
        repair = self.repair(clip.shift_frames, codec_in(out.suffix, self.audio_codec))
        done = cut_part(source, out, cut.start_s, cut.end_s, repair, *_sound_of(clip))
        _date_as(source, out)
        return _said(done.pad_s, done.notes) | {"resynced_path": str(out)}

    def _place(self, source: Path, out: Path) -> None:
        place(source, out, cast("How", self.link))


def _status(clip: Repairable) -> str:
    return str(ResyncStatus.SHIFTED if clip.shift_frames else ResyncStatus.IN_TIME)


def _sound_of(clip: Repairable) -> tuple[Path | None, float]:
    return (None if clip.audio_path is None else Path(clip.audio_path)), clip.audio_start_s or 0.0


def _said(pad_s: float, notes: tuple[str, ...]) -> Row:
    return {"resync_pad_s": pad_s, "detail": "; ".join(notes) or None}


def _unlink(source: Path, out: Path) -> None:
    """No link to the source lies where a file is to be written: an earlier run may have left one there."""
    if out.exists() and out.samefile(source):
        out.unlink()


def _date_as(source: Path, out: Path) -> None:
    """The written file is as old as its source."""
    known = source.stat()
    os.utime(out, ns=(known.st_atime_ns, known.st_mtime_ns))


def _in_words(error: Exception, folder: Path) -> str:
    words = error.detail if isinstance(error, ClipError) else " ".join(str(error).split())
    is_full = isinstance(error, OSError) and error.errno in _NO_ROOM_ERRORS
    return NO_ROOM if is_full or any(sign in words for sign in _NO_ROOM_WORDS) or _is_full(folder) else words


def _is_full(folder: Path) -> bool:
    """The program that writes does not always say why it could not."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free < _LEAST_FREE_BYTES
