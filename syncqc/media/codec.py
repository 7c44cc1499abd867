"""How pictures and sound are coded, from headers and packets as they pass by: groups of pictures, types, encoders, bit rates.

Knows nothing of times on the clip's clock. Nothing is decoded, and what is kept per picture is one byte.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from syncqc.manifest.row import Row
from syncqc.media.picture_headers import NO_TYPES, Header, Reader, header_reader

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

Gaps = npt.NDArray[np.int64]

REGULAR_SHARE = 0.9
"""Groups of pictures are regular when at least this share of them has one length: a scene cut now and then hides no rhythm."""

_TOLD_SHARE = 0.98
"""Picture types are given where they were found in at least this share of the packets."""

_BLOCK_SAMPLES = 1024
"""Of AAC-LC."""

_ENCODERS = re.compile(rb"x26[45][ -][^\n\0]{0,40}|XviD\d+|DivX\d+b?\d*p?|Lavc[\d.]*\d|apl\d")
_LOOKED_AT_BYTES = 4096
_MAX_NAME_CHARACTERS = 80


@dataclass
class PictureCoding:
    """What the packets of a picture track say, filled one by one."""

    codec: str
    profile: str | None = None
    tag: str | None = None
    encoder: str | None = None
    n_bytes: int = 0
    types: bytearray = field(default_factory=bytearray)
    """One letter for each picture, ``?`` where it cannot be told, in the order of the file."""
    key_at: list[int] = field(default_factory=list)
    """Which packets are key pictures."""
    _n_packets: int = 0
    _n_told: int = 0
    _is_closed: bool | None = None
    _n_open: int = 0
    _key_pts: int | None = None
    _is_after_key: bool = False
    _extradata: bytes = b""
    _read: Reader | None = None
    _has_pts: bool = True
    _is_unsure: bool = False

    @classmethod
    def of(cls, stream: VideoStream) -> PictureCoding:
        """Of this track, before its first packet."""
        context = stream.codec_context
        codec = context.codec.canonical_name
        extradata = bytes(context.extradata or b"")
        reader = header_reader(codec, extradata, is_intra_only=_is_intra_only(stream))
        named = stream.metadata.get("encoder") or stream.metadata.get("ENCODER")
        coding = cls(codec, _said(stream.profile), _said(context.codec_tag), _said(named), _extradata=extradata, _read=reader)
        coding._has_pts = stream.container.format.name != "avi"
        return coding

    def note(self, packet: Packet[Stream]) -> None:
        """Takes in the next packet that is shown."""
        data = memoryview(packet)
        header = self._read(data, packet.is_keyframe) if self._read is not None else Header()
        if not self._n_packets:
            self.encoder = _encoder_in(self._extradata) or _encoder_in(bytes(data[:_LOOKED_AT_BYTES])) or self.encoder
        self.types += b"?" if header.types is None else header.types.encode()
        self._n_told += header.types is not None
        self._note_group(packet, header)
        self.n_bytes += packet.size
        self._n_packets += 1

    def _note_group(self, packet: Packet[Stream], header: Header) -> None:
        is_key = header.types == "I" if self.codec == "h263" else packet.is_keyframe  # H.263 in AVI is marked key throughout
        if is_key:
            self.key_at.append(self._n_packets)
            self._key_pts, self._is_closed, self._is_after_key = packet.pts, header.is_closed, True
            return
        if not self._is_after_key or len(self.key_at) < 2:
            return
        is_leading, is_open = self._leading(packet, header)
        if not is_leading:
            self._is_after_key = False
        elif is_open:
            self._n_open += 1
            self._is_after_key = False

    def _leading(self, packet: Packet[Stream], header: Header) -> tuple[bool, bool]:
        """Whether the picture is shown before the key picture it follows in the file, and then whether it needs what came before that."""
        if self.codec in ("mpeg1video", "mpeg2video", "mpeg4"):
            return header.types is not None and header.types.startswith("B"), self._is_closed is not True
        if self.codec == "hevc" and header.types:
            return header.is_leading is not None, header.is_leading is True
        if header.types == "P":  # what is coded from earlier pictures alone has nothing to wait for
            return False, False
        if not self._has_pts or packet.pts is None or self._key_pts is None:
            self._is_unsure = True
            return False, False
        is_leading = packet.pts < self._key_pts
        return is_leading, is_leading

    def row(self, duration_s: Fraction, gaps: Gaps) -> Row:
        """The columns of the manifest that speak of the coding of the pictures; `gaps` are the distances between key pictures."""
        shares, why_not = self._shares()
        return {
            "video_profile": self.profile,
            "video_tag": self.tag,
            "video_encoder": self.encoder,
            "video_bit_rate_kbps": _kbps(self.n_bytes, duration_s),
            "key_frame_spread_frames": float(gaps.std()) if len(gaps) > 1 else None,
            "gop_is_regular": _is_regular(gaps),
            "gop_is_open": self._is_open(),
            "has_b_frames": None if shares is None else shares["B"] > 0,
            "i_frame_share": None if shares is None else shares["I"],
            "p_frame_share": None if shares is None else shares["P"],
            "b_frame_share": None if shares is None else shares["B"],
            "frame_types_detail": why_not,
        }

    def _shares(self) -> tuple[dict[str, float] | None, str | None]:
        """Shares of I, P and B among the pictures, or why there are none."""
        if self.codec in NO_TYPES:
            return None, f"{self.codec} does not have pictures of the types I, P and B"
        if self._read is None:
            return None, f"the picture types of {self.codec} are not told without decoding"
        if not self._n_packets or self._n_told < _TOLD_SHARE * self._n_packets:
            return None, f"picture types were found in {self._n_told} of {self._n_packets} packets"
        counts = {kind: self.types.count(kind.encode()) for kind in "IPB"}
        return {kind: count / sum(counts.values()) for kind, count in counts.items()}, None

    def _is_open(self) -> bool | None:
        if len(self.key_at) < 2 or self._is_unsure:
            return None
        return self._n_open > 0


@dataclass
class SoundCoding:
    """What the packets of a sound track say, filled one by one."""

    codec: str
    profile: str | None = None
    rate_hz: int = 0
    n_bytes: int = 0
    first_s: Fraction | None = None
    """Time of the first packet, also where players are asked to leave it out."""
    end_s: Fraction | None = None

    @classmethod
    def of(cls, stream: AudioStream) -> SoundCoding:
        """Of this track, before its first packet."""
        context = stream.codec_context
        return cls(context.codec.canonical_name, _said(stream.profile), context.sample_rate)

    def note(self, packet: Packet[Stream]) -> None:
        """Takes in the next packet, shown or not."""
        ticks = packet.pts if packet.pts is not None else packet.dts
        self.n_bytes += packet.size
        if ticks is None or not packet.time_base:
            return
        start_s = ticks * packet.time_base
        if self.first_s is None:
            self.first_s = start_s
        self.end_s = start_s + (packet.duration or 0) * packet.time_base

    def priming_samples(self, first_sound_s: Fraction | None) -> int | None:
        """Samples in the packets before the first sound that is heard: the encoder's run-up, and what an edit list hides."""
        if self.first_s is None or first_sound_s is None or not self.rate_hz:
            return None
        return max(0, round((first_sound_s - self.first_s) * self.rate_hz))

    def since_block_s(self, first_sound_s: Fraction | None) -> Fraction | None:
        """For how long one of the blocks of 1024 samples of AAC-LC has lasted when the first sound is heard; None for other codecs.

        Containers round times, and a block is whole samples: a priming that is nearly whole blocks is.
        """
        priming = self.priming_samples(first_sound_s)
        if priming is None or self.codec != "aac" or self.profile != "LC":
            return None
        return Fraction(self._whole(priming) % _BLOCK_SAMPLES, self.rate_hz)

    def _whole(self, priming: int) -> int:
        """The priming without what a clock of milliseconds adds to whole blocks."""
        nearest = round(priming / _BLOCK_SAMPLES) * _BLOCK_SAMPLES
        return nearest if abs(priming - nearest) <= self.rate_hz // 1000 else priming

    def row(self, first_sound_s: Fraction | None) -> Row:
        """The columns of the manifest that speak of the coding of the sound."""
        length_s = None if self.end_s is None or self.first_s is None else self.end_s - self.first_s
        return {
            "audio_profile": self.profile,
            "audio_bit_rate_kbps": _kbps(self.n_bytes, length_s),
            "audio_priming_samples": self.priming_samples(first_sound_s),
        }


def _is_regular(gaps: Gaps) -> bool | None:
    if len(gaps) < 2:
        return None
    # AVI counts pictures as they are decoded, and the first group has no B before it.
    counted = gaps[1:] if len(gaps) > 2 else gaps
    length, count = Counter(counted.tolist()).most_common(1)[0]
    return bool(length > 1 and count >= REGULAR_SHARE * len(counted))


def _is_intra_only(stream: VideoStream) -> bool:
    return bool(stream.codec_context.codec.intra_only)


def _kbps(n_bytes: int, length_s: Fraction | None) -> float | None:
    return None if not length_s or not n_bytes else float(8 * n_bytes / length_s / 1000)


def _encoder_in(data: bytes) -> str | None:
    found = _ENCODERS.search(data)
    if found is None:
        return None
    # After the second " - " x264 and x265 say which standard they write and list their settings.
    return _said(" - ".join(found[0].decode("latin-1").split(" - ")[:2]).split(":")[0])


def _said(text: object) -> str | None:
    """What a header says, without characters that cannot be seen; None where it says nothing."""
    kept = "".join(c for c in str(text or "") if c.isprintable()).strip()
    return kept[:_MAX_NAME_CHARACTERS] or None
