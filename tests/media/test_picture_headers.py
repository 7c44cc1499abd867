from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.media.picture_headers import KEY_TELLS, Header, header_reader

START = b"\x00\x00\x01"


def read(codec: str, packet: bytes, extradata: bytes = b"", *, is_key: bool = False) -> Header:
    reader = header_reader(codec, extradata, is_intra_only=False)
    assert reader is not None
    return reader(memoryview(packet), is_key)


def bits(text: str) -> bytes:
    """Bytes of zeros and ones, filled up with zeros; spaces are for reading."""
    digits = text.replace(" ", "")
    digits += "0" * (-len(digits) % 8)
    return int(digits, 2).to_bytes(len(digits) // 8)


# The type is in bits 10-12 of a picture header, after ten bits of temporal reference.
PICTURE_OF_MPEG2 = {kind: START + b"\x00" + bits(f"0000000001 {number:03b} 000") for number, kind in [(1, "I"), (2, "P"), (3, "B")]}


@pytest.mark.parametrize("kind", "IPB")
@pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video"])
def test_mpeg_1_and_2(codec: str, kind: str) -> None:
    assert read(codec, PICTURE_OF_MPEG2[kind]) == Header(kind)


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_group_of_mpeg_2_says_whether_it_is_closed(is_closed: bool) -> None:
    group = START + b"\xb8" + bits("0" * 25 + str(int(is_closed)) + "0")
    assert read("mpeg2video", group + PICTURE_OF_MPEG2["I"]) == Header("I", is_closed=is_closed)


@pytest.mark.parametrize(("first_bits", "kind"), [("00", "I"), ("01", "P"), ("10", "B"), ("11", "P")], ids=["I", "P", "B", "sprite"])
def test_mpeg_4(first_bits: str, kind: str) -> None:
    assert read("mpeg4", START + b"\xb6" + bits(first_bits) + bytes(40)) == Header(kind)


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_group_of_mpeg_4_says_whether_it_is_closed(is_closed: bool) -> None:
    group = START + b"\xb3" + bits("0" * 18 + str(int(is_closed)) + "0")
    assert read("mpeg4", group + START + b"\xb6" + bytes(40)) == Header("I", is_closed=is_closed)


def test_two_pictures_packed_together_and_the_empty_one_that_follows() -> None:
    packed = START + b"\xb6" + bits("01") + bytes(30) + START + b"\xb6" + bits("10") + bytes(30)
    assert read("mpeg4", packed).types == "PB"
    assert read("mpeg4", START + b"\xb6" + bits("01") + bytes(5)).types == ""


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("0000000000000000 100000 00000111 10000 010 0", "I"),
        ("0000000000000000 100000 00000111 10000 010 1", "P"),
        ("0000000000000000 100000 00000111 10000 111 000 000", "I"),
        ("0000000000000000 100000 00000111 10000 111 000 001", "P"),
        ("0000000000000000 100000 00000111 10000 111 001 000000000000000000 001", "P"),
        ("0000000000000000 100000 00000111 10000 111 001 000000000000000000 011", "B"),
    ],
    ids=["I", "P", "plus I", "plus P", "plus P with its options", "plus B"],
)
def test_h263(header: str, kind: str) -> None:
    assert read("h263", bits(header)) == Header(kind)


@pytest.mark.parametrize("codec", sorted(KEY_TELLS))
def test_codecs_without_b_go_by_the_mark(codec: str) -> None:
    assert (read(codec, b"\x00", is_key=True).types, read(codec, b"\x00").types) == ("I", "P")


# first_mb_in_slice 0 is "1"; 0 ... 9 are "1", "010", "011", "00100", "00101", "00110", "00111", "0001000", "0001001", "0001010".
SLICES = {"P": ("1", "00110"), "B": ("010", "00111"), "I": ("011", "0001000")}


@pytest.mark.parametrize("which", [0, 1], ids=["this slice", "all slices"])
@pytest.mark.parametrize("kind", "PBI")
def test_h264_after_start_codes_and_after_lengths(kind: str, which: int) -> None:
    settings, unit = b"\x67\x64\x00\x1e", b"\x41" + bits("1" + SLICES[kind][which] + "1")
    assert read("h264", START + settings + START + unit) == Header(kind)
    in_box = b"".join(len(part).to_bytes(4) + part for part in (settings, unit))
    assert read("h264", in_box, b"\x01\x64\x00\x1e\xff\xe1") == Header(kind)


def test_a_slice_that_is_cut_off_says_nothing() -> None:
    assert read("h264", START + b"\x41").types is None
    assert read("h264", START + b"\x67\x64").types is None


# A picture parameter set of HEVC: number 0, of sequence 0, two flags, three extra bits announced as a number.
def picture_set(n_extra_bits: int) -> bytes:
    return b"\x44\x01" + bits("1 1 00" + f"{n_extra_bits:03b}" + "1")


@pytest.mark.parametrize(
    ("unit_type", "kind", "n_extra_bits", "is_leading"),
    [(1, "B", 0, None), (1, "P", 0, None), (21, "I", 0, None), (1, "P", 2, None), (8, "B", 0, True), (6, "B", 0, False)],
    ids=["B", "P", "I of an open group", "with extra bits", "needs what was before", "needs nothing before"],
)
def test_hevc(unit_type: int, kind: str, n_extra_bits: int, is_leading: bool | None) -> None:
    number = {"B": "1", "P": "010", "I": "011"}[kind]
    unit = bytes([unit_type << 1, 1]) + bits("1" + ("0" if unit_type >= 16 else "") + "1" + "0" * n_extra_bits + number + "1")
    packet = START + picture_set(n_extra_bits) + START + unit
    assert read("hevc", packet) == Header(kind, is_leading=is_leading)
    assert read("hevc", START + unit, START + picture_set(n_extra_bits)) == Header(kind, is_leading=is_leading)
    assert read("hevc", START + unit) == Header()


def test_codecs_of_single_pictures_and_those_that_cannot_be_told() -> None:
    reader = header_reader("prores", b"", is_intra_only=True)
    assert reader is not None
    assert reader(memoryview(b""), True).types == "I"
    assert header_reader("vp9", b"", is_intra_only=False) is None
    assert header_reader("dirac", b"", is_intra_only=False) is None


@given(
    codec=st.sampled_from(["mpeg2video", "mpeg4", "h263", "h264", "hevc"]),
    start=st.sampled_from([b"", START, START + b"\xb3", START + b"\xb6", START + b"\xb8", START + b"\x00", START + b"\x44\x01"]),
    packet=st.binary(max_size=60),
    extradata=st.one_of(st.just(b""), st.binary(max_size=60).map(lambda data: b"\x01" + data)),
)
def test_whatever_the_bytes_are_the_answer_is_a_type_or_nothing(codec: str, start: bytes, packet: bytes, extradata: bytes) -> None:
    types = read(codec, start + packet, extradata).types
    assert types is None or set(types) <= set("IPB")
