"""A part of a clip as a file of its own, its sound shifted.

Pictures must be encoded anew: a part seldom begins at a key frame, and a cut that begins at one hides pictures by an edit list, which some
readers do not know. Every picture of the source that is shown in the part is there, at its own time; their rate stays the source's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING

import av

from syncqc.errors import ClipError, Failure, UsageError
from syncqc.manifest.aside import written_aside
from syncqc.media.container import decoded_pictures, has_index, open_container, picture_stream
from syncqc.media.mux import feed_ffmpeg
from syncqc.media.probe import HALF_MS, Facts
from syncqc.media.repair import (
    Repair,
    Repaired,
    check_out_suffix,
    check_written,
    given,
    output,
    pad_s,
    refuse_source,
    sound_notes,
    track_notes,
)

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

CUT_CRF = 18
"""x264's constant rate factor; by eye hardly told from the source. 0 is lossless."""
_TICK_S = Fraction(1, 120_000)
"""Whole for pictures at 23.976, 24, 25, 29.97, 30, 50, 59.94 and 60 per second, and for milliseconds."""
_EARLIER_S = (0, 2, 12)
"""How much before the part a key frame is looked for, one after the other."""


def cut_part(
    source: Path, out: Path, start_s: float, end_s: float, repair: Repair, sidecar: Path | None = None, sidecar_start_s: float = 0.0
) -> Repaired:
    """`out`: what is on show from `start_s` to `end_s` after the first image, encoded anew as H.264, and its sound, shifted.

    The first picture is the one on show at `start_s`. Only ``bake``. Sound from before the part is used where the shift needs it.
    Pictures are turned upright, sample aspect and colours kept, in 4:2:0 and 8 bits; odd sizes lose a row or a column. The sound is as
    in `repair_video`.

    Raises:
        UsageError: `out` is the source, its suffix cannot hold H.264 and the codec, the mode is remux, or the part has no length.
        ClipError: the source cannot be read, has no sound, or shows nothing there.
        MuxError: ffmpeg failed, or what it wrote is not what was asked for.
    """
    if repair.mode == "remux":
        raise UsageError("remux cuts nothing: a part that begins at no key frame must be encoded anew; bake it")
    if not 0 <= start_s < end_s:
        raise UsageError(f"a part must begin at 0 or later and end after it begins, not {start_s:g} to {end_s:g} s")
    check_out_suffix(out.suffix, repair, is_cut=True)
    refuse_source(out, source, sidecar)
    clip = given(source, sidecar, sidecar_start_s)
    from_s, to_s = (Fraction(time_s).limit_denominator(10**6) for time_s in (start_s, end_s))
    to_s = min(to_s, clip.facts.duration_s)
    if to_s <= from_s:
        raise ClipError(Failure.TOO_SHORT, f"the pictures end before {start_s:g} s")
    coding = clip.coding(repair, repair.audio_codec)
    placed = clip.placed(repair, coding, from_s, to_s - from_s)
    with tempfile.TemporaryDirectory() as folder, written_aside(out, keeps_suffix=True) as aside:
        sound = Path(folder) / "sound"
        with sound.open("wb") as file:
            file.writelines(coding.fed(placed.pieces()))
        arguments = ["-f", "nut", "-i", "pipe:0", *coding.input_arguments(f"file:{sound}"), "-map", "0:v:0", "-map", "1:a:0"]
        feed_ffmpeg(
            [*arguments, *_video_output(source), *coding.output_arguments(), *output(aside)], _as_nut(source, clip.facts, from_s, to_s)
        )
        check_written(aside, to_s - from_s, Fraction(placed.n_samples, coding.rate_hz))
    return Repaired(out, None, pad_s(placed, repair), (*clip.own.notes, *track_notes(source), *sound_notes(placed, repair, coding)))


def _video_output(source: Path) -> list[str]:
    """How the decoded pictures are turned, marked and encoded."""
    with open_container(str(source)) as container:
        stream = picture_stream(container)
        first = None if stream is None else next(decoded_pictures(container, stream), None)
        if stream is None or first is None:
            raise ClipError(Failure.UNREADABLE, "no picture can be decoded")
        frame, aspect = first[0], stream.sample_aspect_ratio or Fraction(1)
    # Raw pictures lose what their numbers mean.
    means = {
        "range": frame.color_range,
        "color_primaries": frame.color_primaries,
        "color_trc": frame.color_trc,
        "colorspace": frame.colorspace,
    }
    filters = ["setparams=" + ":".join(f"{name}={int(value)}" for name, value in means.items())]
    filters += [f"setsar={aspect.numerator}/{aspect.denominator}"]
    filters += {90: ["transpose=cclock"], 180: ["hflip", "vflip"], 270: ["transpose=clock"]}.get(int(frame.rotation) % 360, [])
    if frame.width % 2 or frame.height % 2:
        filters += ["crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0"]
    # With B-frames MP4 would let the last picture last as long as some earlier one, and the tree reads memory that was never written.
    encoder = ["libx264", "-preset", "fast", "-crf", str(CUT_CRF), "-bf", "0", "-x264-params", "mbtree=0", "-pix_fmt", "yuv420p"]
    times = ["-fps_mode", "passthrough", "-enc_time_base", f"{_TICK_S.numerator}:{_TICK_S.denominator}"]
    return ["-vf", ",".join(filters), *times, "-c:v", *encoder]


@dataclass
class _Drain:
    """A file that is written to, emptied, and never sought in."""

    held: list[bytes]

    def write(self, data: bytes) -> int:
        self.held.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        taken = b"".join(self.held)
        self.held.clear()
        return taken


def _as_nut(source: Path, facts: Facts, from_s: Fraction, to_s: Fraction) -> Iterator[bytes]:
    """The pictures on show in the part as raw video in NUT, which carries the time of each, from 0 on."""
    drain = _Drain([])
    with av.open(drain, "w", format="nut") as nut:
        out: VideoStream | None = None
        for frame, time_s in _shown(source, facts.zero_s + from_s, facts.zero_s + to_s):
            out = out or _raw_stream(nut, frame, facts)
            frame.time_base, frame.pts = _TICK_S, floor(time_s / _TICK_S + Fraction(1, 2))
            nut.mux(out.encode(frame))
            yield drain.taken()
        if out is None:
            raise ClipError(Failure.UNREADABLE, f"no picture can be decoded from {float(from_s):g} s on")
        nut.mux(out.encode(None))
    yield drain.taken()


def _raw_stream(nut: OutputContainer, frame: VideoFrame, facts: Facts) -> VideoStream:
    # The rate only says how long the last picture lasts.
    stream = nut.add_stream("rawvideo", rate=Fraction(facts.source_fps or 25).limit_denominator(1001))
    stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
    stream.codec_context.time_base = stream.time_base = _TICK_S
    return stream


def _shown(source: Path, from_s: Fraction, to_s: Fraction) -> Iterator[tuple[VideoFrame, Fraction]]:
    """The pictures on show in [from_s, to_s), on the file's clock, and when each appears after `from_s`: the first one at 0."""
    with open_container(str(source)) as container:
        stream = picture_stream(container)
        assert stream is not None
        before: VideoFrame | None = None
        for frame, time_s in _from_key_frame(container, stream, from_s):
            if time_s > from_s + HALF_MS and before is not None:
                yield before, Fraction(0)
                before = None
            if time_s >= to_s - HALF_MS:
                return
            if time_s <= from_s + HALF_MS:
                before = frame
            else:
                yield frame, time_s - from_s
        if before is not None:
            yield before, Fraction(0)


def _from_key_frame(container: InputContainer, stream: VideoStream, from_s: Fraction) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Decoded pictures from a key frame on that is shown at `from_s` or before it; from the file's start where none is found."""
    if has_index(container) and stream.time_base:
        for earlier_s in _EARLIER_S:
            try:
                container.seek(floor((from_s - earlier_s) / stream.time_base), stream=stream)
            except av.error.FFmpegError:
                break
            pictures = decoded_pictures(container, stream)
            # What comes before the first key frame has lost what it is made from.
            for frame, time_s in pictures:
                if time_s > from_s + HALF_MS:
                    break
                if frame.key_frame:
                    yield from chain([(frame, time_s)], pictures)
                    return
        container.seek(0)
    yield from decoded_pictures(container, stream)
