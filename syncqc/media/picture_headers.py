"""What the first bytes of a packet say of its pictures: I, P or B, and whether its group of pictures is closed. Nothing is decoded.

Knows neither files nor times: bytes in, `Header` out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

_LOOKED_AT_BYTES = 4096
"""Headers come before the picture; a slice that begins later in its packet is not found."""

_MAX_NOT_CODED_BYTES = 19
"""An MPEG-4 packet with one picture and no more bytes than this repeats the one before: it fills the place of a B picture
that came packed with another."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a packet's first bytes say."""

    types: str | None = None
    """``I``, ``P``, ``B`` for each picture that begins in the packet, in the file's order; None where it cannot be told."""
    is_closed: bool | None = None
    """Whether the group that begins here says that it needs no picture before it; None: it says nothing."""
    is_leading: bool | None = None
    """Shown before the key picture that it follows (HEVC alone says so): True where it also needs what came before that one."""


Reader = Callable[[memoryview, bool], Header]
"""A packet's bytes and whether it is marked as a key picture."""

KEY_TELLS = frozenset({
    "flv1", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "vp6", "vp6f", "vp6a", "theora", "svq1", "cinepak",
})  # fmt: skip
"""Codecs with I and P alone, so that the mark of key pictures tells which it is."""

NO_TYPES = frozenset({"vp8", "vp9", "av1"})
"""Codecs whose pictures may lean on any kept one, so that I, P and B do not describe them."""


def header_reader(codec: str, extradata: bytes, *, is_intra_only: bool) -> Reader | None:
    """What reads the headers of this codec as FFmpeg names it; None where its picture types cannot be told without decoding."""
    if is_intra_only:
        return lambda _, __: _ALL_I
    if codec in KEY_TELLS:
        return lambda _, is_key: _KEY if is_key else _P
    if codec in ("mpeg1video", "mpeg2video"):
        return _mpeg12
    if codec in ("mpeg4", "h263"):
        return _mpeg4 if codec == "mpeg4" else _h263
    if codec == "h264":
        length_bytes = (extradata[4] & 3) + 1 if len(extradata) > 4 and extradata[0] == 1 else 0
        return partial(_h264, length_bytes)
    return _Hevc(extradata) if codec == "hevc" else None


_ALL_I = Header("I", is_closed=True)
_KEY, _P, _B, _UNKNOWN = Header("I"), Header("P"), Header("B"), Header()


def _mpeg12(packet: memoryview, _is_key: bool) -> Header:
    """Source: ISO/IEC 13818-2, 6.2.2.6 (group of pictures header) and 6.2.3 (picture header)."""
    data = bytes(packet[:_LOOKED_AT_BYTES])
    picture = data.find(b"\x00\x00\x01\x00")
    if picture < 0 or picture + 5 >= len(data):
        return _UNKNOWN
    kind = {1: "I", 2: "P", 3: "B"}.get(data[picture + 5] >> 3 & 7)
    group = data.find(b"\x00\x00\x01\xb8", 0, picture)
    return Header(kind) if group < 0 or kind != "I" else Header(kind, is_closed=bool(data[group + 7] & 0x40))


def _mpeg4(packet: memoryview, _is_key: bool) -> Header:
    """Source: ISO/IEC 14496-2, 6.2.4 (group of VOP) and 6.2.5 (VOP). Two pictures in one packet occur in AVI."""
    data = bytes(packet)
    group = data.find(b"\x00\x00\x01\xb3", 0, _LOOKED_AT_BYTES)
    types, at = "", data.find(b"\x00\x00\x01\xb6")
    while at >= 0 and at + 4 < len(data):
        types += "IPBP"[data[at + 4] >> 6]  # a sprite picture (3) leans on earlier ones, as a P does
        at = data.find(b"\x00\x00\x01\xb6", at + 4)
    if types in ("P", "B") and len(data) <= _MAX_NOT_CODED_BYTES:
        return Header("")
    # The time code is 18 bits long, the flag for a closed group follows it.
    return Header(types or None, is_closed=bool(data[group + 6] & 0x20) if 0 <= group < len(data) - 6 else None)


def _h263(packet: memoryview, _is_key: bool) -> Header:
    """Source: ITU-T H.263, 5.1.1 to 5.1.4."""
    bits = _Bits(bytes(packet[:12]))
    if bits.take(22) != 32:
        return _UNKNOWN
    bits.take(8 + 5)
    if bits.take(3) != 7:
        return _P if bits.take(1) else _KEY
    if bits.take(3) == 1:
        bits.take(18)
    return {0: _KEY, 1: _P, 3: _B}.get(bits.take(3), _UNKNOWN)


def _h264(length_bytes: int, packet: memoryview, _is_key: bool) -> Header:
    """The type of the first slice. Source: ITU-T H.264, 7.3.3 and Table 7-6."""
    for at in _units(packet, length_bytes):
        unit_type = packet[at] & 31
        if unit_type in (1, 2, 5):
            bits = _Bits(bytes(packet[at + 1 : at + 17]))
            bits.exp_golomb()
            kind = bits.exp_golomb()
            return _UNKNOWN if kind is None or kind > 9 else (_P, _B, _KEY, _P, _KEY)[kind % 5]
    return _UNKNOWN


@dataclass
class _Hevc:
    """The type of the first slice. Source: ITU-T H.265, 7.3.6.1, 7.3.2.3.1 and Table 7-1."""

    extradata: bytes
    _length_bytes: int = 0
    _n_extra_bits: dict[int, int] = field(default_factory=dict)
    """Of a slice header, by the number of the picture parameter set."""

    def __post_init__(self) -> None:
        data = self.extradata
        if len(data) > 22 and data[0] == 1:
            self._length_bytes = (data[21] & 3) + 1
            self._look_into_box(data)
        else:
            for at in _units(memoryview(data), 0):
                self._note_set(data[at:])

    def _look_into_box(self, data: bytes) -> None:
        at = 23
        for _ in range(data[22]):
            n_units, at = int.from_bytes(data[at + 1 : at + 3]), at + 3
            for _ in range(n_units):
                if at >= len(data):
                    return
                size, at = int.from_bytes(data[at : at + 2]), at + 2
                self._note_set(data[at : at + size])
                at += size

    def _note_set(self, unit: bytes) -> None:
        if len(unit) > 2 and unit[0] >> 1 & 63 == 34:
            bits = _Bits(unit[2:18])
            number = bits.exp_golomb()
            bits.exp_golomb()
            bits.take(2)
            if number is not None:
                self._n_extra_bits[number] = bits.take(3)

    def __call__(self, packet: memoryview, _is_key: bool) -> Header:
        for at in _units(packet, self._length_bytes):
            unit_type = packet[at] >> 1 & 63
            if unit_type == 34:
                self._note_set(bytes(packet[at : at + 18]))
            elif unit_type <= 21:
                return self._slice(unit_type, bytes(packet[at + 2 : at + 18]))
        return _UNKNOWN

    def _slice(self, unit_type: int, data: bytes) -> Header:
        bits = _Bits(data)
        if not bits.take(1):  # the packet does not begin with a picture's first slice
            return _UNKNOWN
        if unit_type >= 16:
            bits.take(1)
        number = bits.exp_golomb()
        if number is None or number not in self._n_extra_bits:
            return _UNKNOWN
        bits.take(self._n_extra_bits[number])
        kind = bits.exp_golomb()
        types = None if kind is None or kind > 2 else "BPI"[kind]
        return Header(types, is_leading=None if not 6 <= unit_type <= 9 else unit_type >= 8)


def _units(packet: memoryview, length_bytes: int) -> Iterator[int]:
    """Where the units of H.264 or HEVC begin, after a length of so many bytes; 0: after start codes."""
    if length_bytes:
        at = 0
        while at + length_bytes < len(packet):
            yield at + length_bytes
            at += length_bytes + int.from_bytes(packet[at : at + length_bytes])
        return
    data = bytes(packet[:_LOOKED_AT_BYTES])
    found = data.find(b"\x00\x00\x01")
    while 0 <= found < len(data) - 3:
        yield found + 3
        found = data.find(b"\x00\x00\x01", found + 3)


class _Bits:
    """A few bits, the highest first; 0 beyond the end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data), 8 * len(data)

    def take(self, n: int) -> int:
        self._left -= n
        return self._value >> self._left & ((1 << n) - 1) if self._left >= 0 else 0

    def exp_golomb(self) -> int | None:
        """The next number in Exp-Golomb code; None where it is cut off."""
        n_zeros = 0
        while self._left > 0:
            if self.take(1):
                break
            n_zeros += 1
        else:
            return None
        if self._left < n_zeros or n_zeros > 31:
            return None
        return (1 << n_zeros) - 1 + self.take(n_zeros)
