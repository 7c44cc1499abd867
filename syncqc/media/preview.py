"""A stretch of a clip as two small files that a browser plays: the sound as it is, and the sound where it should be.

Both hold the same coded pictures, byte for byte: image k of the clip's clock is picture k - first of the file, 25 per second, upright, with
square pixels. So whoever changes from one file to the other at some time sees the same picture and hears another sound. Knows no page.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from av.video.reformatter import VideoReformatter

from syncqc.clock import IMAGE_RATE_HZ
from syncqc.errors import ClipError, Failure
from syncqc.media.container import decoded_pictures, open_container, picture_length_s, picture_stream
from syncqc.media.mux import MuxError, feed_ffmpeg, ffmpeg_binary
from syncqc.media.probe import Facts, probe
from syncqc.media.repair import AudioCodec, Given, Repair, check_written, given, output
from syncqc.media.video import Image, frames_on_show, image_scale, to_rgb

MAX_HEIGHT_PX = 480
MAX_WIDTH_PX = 854
_SOUND_RATE_HZ = 48_000
"""At 16 kHz, as `resync` writes AAC, a voice sounds dull."""


@dataclass(frozen=True)
class Playable:
    """Pictures, sound and container that go together and that browsers play."""

    encoder: str
    arguments: tuple[str, ...]
    suffix: str
    media_type: str
    audio_codec: AudioCodec
    needs: tuple[str, ...] = ()
    """Other encoders that ffmpeg must have for it."""


# Without B-frames the first picture is at 0 for every reader. A key frame per second makes seeking quick.
PLAYABLE = (
    Playable("libx264", ("-preset", "veryfast", "-crf", "26", "-bf", "0"), ".mp4", "video/mp4", "aac"),
    Playable("libopenh264", ("-b:v", "700k"), ".mp4", "video/mp4", "aac"),
    Playable(
        "libvpx-vp9", ("-deadline", "realtime", "-cpu-used", "7", "-crf", "36", "-b:v", "0"), ".webm", "video/webm", "opus", ("libopus",)
    ),
    Playable(
        "libvpx", ("-deadline", "realtime", "-cpu-used", "7", "-crf", "24", "-b:v", "900k"), ".webm", "video/webm", "opus", ("libopus",)
    ),
)
"""In order of preference. MPEG-4 Part 2, which every ffmpeg writes, no browser plays."""


@dataclass(frozen=True)
class Preview:
    """Two files in memory and what they show."""

    media_type: str
    first_image: int
    n_images: int
    width_px: int
    height_px: int
    as_it_is: bytes
    shifted: bytes | None
    """None where nothing was to be shifted, or there is no sound."""
    why_no_sound: str | None = None
    """Why the file has no sound; None where it has."""


def preview(
    source: Path, sidecar: Path | None, sidecar_start_s: float, shift_frames: int | None, from_s: float = 0.0, to_s: float | None = None
) -> Preview:
    """The images on show from `from_s` to `to_s`, at most 480 lines, with the sound as it is and delayed by `shift_frames`.

    `shift_frames` < 0 brings the sound forward; None or 0 asks for no second file. Sound from before the stretch is used where the delay
    needs it. Where the clip has no sound there, the file has none and says why.

    Raises:
        ClipError: the pictures cannot be read, or there are none at `from_s`.
        MuxError: this ffmpeg has no encoder for what browsers play, it failed, or what it wrote is not what was asked for.
    """
    coded = playable(encoders())
    facts = probe(str(source))
    first_image = round(from_s * IMAGE_RATE_HZ)
    end_image = facts.n_images if to_s is None else min(facts.n_images, round(to_s * IMAGE_RATE_HZ))
    if first_image >= end_image:
        raise ClipError(Failure.TOO_SHORT, f"the pictures last {float(facts.duration_s):.2f} s: there is none from {from_s:g} s on")
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / f"pictures{coded.suffix}"
        shown = _write_pictures(pictures, source, facts, (first_image, end_image), coded)
        why_no_sound = None
        files: list[bytes] = []
        try:
            clip = given(source, sidecar, sidecar_start_s)
            for shift in (0, shift_frames) if shift_frames else (0,):
                file = Path(folder) / f"{len(files)}{coded.suffix}"
                _write_sound(file, pictures, clip, Repair(shift, audio_codec=coded.audio_codec, audio_rate_hz=_SOUND_RATE_HZ), shown, coded)
                files.append(file.read_bytes())
        except ClipError as error:
            why_no_sound = error.detail
            files = [pictures.read_bytes()]
    return Preview(coded.media_type, *shown, files[0], files[1] if len(files) > 1 else None, why_no_sound)


def image_at(source: Path, number: int) -> tuple[Image, float]:
    """Image `number` of the clip (height, width, 3) RGB, upright, at most 480 lines, and its pixels per pixel of the shown picture.

    Raises:
        ClipError: it cannot be read.
    """
    facts = probe(str(source))
    limit_px = _short_side_px(facts.width_px, facts.height_px)
    image = next(_images(source, facts, (number, number + 1), limit_px), None)
    if image is None:
        raise ClipError(Failure.UNREADABLE, f"image {number} cannot be decoded")
    return image, image_scale(facts, limit_px)


@lru_cache(maxsize=1)
def encoders() -> frozenset[str]:
    """The names of all encoders that this ffmpeg has.

    Raises:
        MuxError: there is no ffmpeg, or it does not say.
    """
    command = [ffmpeg_binary(), "-nostdin", "-hide_banner", "-v", "error", "-encoders"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise MuxError(f"ffmpeg does not list its encoders (code {done.returncode})")
    lines = done.stdout.decode(errors="replace").partition("------")[2].splitlines()
    return frozenset(words[1] for words in map(str.split, lines) if len(words) > 1)


def playable(known: frozenset[str]) -> Playable:
    """The first of `PLAYABLE` that these encoders can make.

    Raises:
        MuxError: none.
    """
    for one in PLAYABLE:
        if {one.encoder, *one.needs} <= known:
            return one
    names = ", ".join(one.encoder for one in PLAYABLE)
    raise MuxError(f"this ffmpeg writes no video that browsers play; it would need one of {names} (VP8 and VP9 with libopus)")


_Shown = tuple[int, int, int, int]
"""First image, number of images, width and height in px."""


def _write_pictures(path: Path, source: Path, facts: Facts, span: tuple[int, int], coded: Playable) -> _Shown:
    limit_px = _short_side_px(facts.width_px, facts.height_px)
    images = _images(source, facts, span, limit_px)
    first = next(images, None)
    if first is None:
        raise ClipError(Failure.UNREADABLE, f"no picture can be decoded from {span[0] / IMAGE_RATE_HZ:g} s on")
    height, width = first.shape[0] // 2 * 2, first.shape[1] // 2 * 2
    if not height or not width:
        raise ClipError(Failure.UNREADABLE, f"pictures of {first.shape[1]}x{first.shape[0]} are too small to be shown")
    n_images = 0

    def raw() -> Iterator[bytes]:
        nonlocal n_images
        image: Image | None = first
        while image is not None:
            yield np.ascontiguousarray(image[:height, :width]).tobytes()
            n_images += 1
            image = next(images, None)

    arguments = [
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-video_size",
        f"{width}x{height}",
        "-framerate",
        str(IMAGE_RATE_HZ),
        "-i",
        "pipe:0",
    ]
    encoder = ["-c:v", coded.encoder, *coded.arguments, "-g", str(IMAGE_RATE_HZ), "-pix_fmt", "yuv420p"]
    feed_ffmpeg([*arguments, *encoder, *output(path)], raw())
    return span[0], n_images, width, height


def _write_sound(path: Path, pictures: Path, clip: Given, repair: Repair, shown: _Shown, coded: Playable) -> None:
    """`path`: those pictures, copied, with the clip's sound."""
    first_image, n_images = shown[:2]
    coding = clip.coding(repair, coded.audio_codec)
    length_s = Fraction(n_images, IMAGE_RATE_HZ)
    placed = clip.placed(repair, coding, Fraction(first_image, IMAGE_RATE_HZ), length_s)
    arguments = ["-i", f"file:{pictures}", *coding.input_arguments("pipe:0"), "-map", "0:v:0", "-map", "1:a:0", "-c:v", "copy"]
    feed_ffmpeg([*arguments, *coding.output_arguments(), *output(path)], coding.fed(placed.pieces()))
    check_written(path, length_s, Fraction(placed.n_samples, coding.rate_hz))


def _short_side_px(width_px: int, height_px: int) -> int:
    """The shorter side of a picture that fits into 854 x 480; its own where it fits already."""
    scale = min(1.0, MAX_HEIGHT_PX / height_px, MAX_WIDTH_PX / width_px)
    return max(1, int(scale * min(width_px, height_px)))


def _images(source: Path, facts: Facts, span: tuple[int, int], limit_px: int) -> Iterator[Image]:
    """Images `span[0]` ... `span[1]` - 1, upright RGB; fewer where decoding ends early."""
    reformatter = VideoReformatter()
    with open_container(str(source)) as container:
        stream = picture_stream(container)
        if stream is None:
            raise ClipError(Failure.NO_VIDEO, "the file has no picture track")
        stream.thread_type = "AUTO"
        pictures = (
            (frame, time_s - facts.zero_s, picture_length_s(frame, stream))
            for frame, time_s in decoded_pictures(container, stream)
            if time_s >= facts.zero_s
        )
        shown: object = None
        for frame in frames_on_show(pictures, span[1], span[0]):
            if frame is not shown:
                shown, image = frame, to_rgb(reformatter, frame, facts, limit_px)
            yield image
