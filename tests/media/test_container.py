from __future__ import annotations

import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from syncqc.errors import ClipError, Failure
from syncqc.media.container import decoded_pictures, open_container, packets, picture_stream, sound_stream
from syncqc.media.probe import probe
from syncqc.media.sound import SoundReader
from syncqc.media.video import read_images

NAMES = {
    "spaces": "a clip of two words.mp4",
    "quotes": 'it\'s "quoted".mp4',
    "umlauts": "Gespräch über Öl.mp4",
    "other script": "日本語.mp4",
    "line break": "two\nlines.mp4",
    "like a protocol": "http:clip.mp4",
    "like a time": "12:30.mp4",
    "like a pipe": "pipe:0.mp4",
    "like a pattern": "%03d.mp4",
    "like an option": "-i.mp4",
    "not UTF-8": os.fsdecode(b"\xff\xfe.mp4"),
}


@pytest.mark.parametrize("is_relative", [False, True], ids=["absolute", "relative"])
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_any_file_name_opens(make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_relative: bool) -> None:
    shutil.copy(make.clip(".mp4"), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    path = name if is_relative else str(tmp_path / name)
    facts = probe(path)
    assert len(list(read_images(path, facts))) == 50
    assert SoundReader(path, facts.zero_s).read(0, 16_000)[1].all()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("The quick brown fox jumps over the lazy dog.\n" * 50)


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(1, 256)) * 40)


def link_to_nowhere(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere.mp4"))


def nothing(path: Path) -> None:
    """The file does not exist."""


def playlist(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")


def script(path: Path) -> None:
    path.write_text("ffconcat version 1.0\nfile /dev/zero\n")


NO_MEDIA = {
    "empty": (empty, "the file is empty (0 bytes)"),
    "text": (text, "cannot be opened: Invalid data"),
    "noise": (noise, "cannot be opened: Invalid data"),
    "folder": (Path.mkdir, "not a regular file"),
    "fifo": (os.mkfifo, "not a regular file"),
    "link to nowhere": (link_to_nowhere, "cannot be opened: No such file"),
    "missing": (nothing, "cannot be opened: No such file"),
    "playlist of the net": (playlist, "cannot be opened: "),
    "script that names other files": (script, "cannot be opened: "),
}


@pytest.mark.parametrize(("put", "detail"), NO_MEDIA.values(), ids=NO_MEDIA.keys())
def test_what_is_no_medium_is_unreadable(tmp_path: Path, put, detail: str) -> None:
    path = tmp_path / "clip.mp4"
    put(path)
    with pytest.raises(ClipError) as caught:
        probe(str(path))
    assert caught.value.failure is Failure.UNREADABLE
    assert caught.value.detail.startswith(detail)
    assert str(tmp_path) not in caught.value.detail


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read(make, tmp_path: Path) -> None:
    path = Path(shutil.copy(make.clip(".mp4"), tmp_path / "secret.mp4"))
    path.chmod(0)
    with pytest.raises(ClipError, match="Permission denied"):
        probe(str(path))


def test_header_missing_from_a_cut_off_download(make) -> None:
    # Without faststart an MP4 has its header at the end.
    path = make.altered(make.clip(".mp4"), lambda data: data[: len(data) // 2])
    with pytest.raises(ClipError, match="cannot be opened") as caught:
        probe(str(path))
    assert caught.value.failure is Failure.UNREADABLE


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
def test_cut_off_file_is_read_up_to_the_cut(make, suffix: str) -> None:
    flags = ("-movflags", "+faststart") if suffix == ".mp4" else ()
    whole = make.clip(suffix, "-g", "5", "-bf", "0", *flags, chirps_s=(0.5,))
    path = make.altered(whole, lambda data: data[: len(data) * 4 // 5])
    facts = probe(str(path))
    shown = [make.number_of(image) for image in read_images(str(path), facts)]
    assert 15 < len(set(shown)) < 45
    assert shown[shown.count(0) - 1 :] == list(range(len(set(shown))))
    samples, is_present = SoundReader(str(path), facts.zero_s).read(0, 32_000)
    assert make.chirps_in(samples) == pytest.approx([make.chirps_in(samples_of(whole))[0]], abs=1e-3)
    assert not is_present[-1600:].any()


def samples_of(path: Path):
    return SoundReader(str(path), probe(str(path)).zero_s).read(0, 32_000)[0]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
@pytest.mark.parametrize("seed", range(3))
def test_damage_in_the_middle_hurts_nothing_before_and_moves_nothing_after(make, suffix: str, seed: int) -> None:
    flags = ("-movflags", "+faststart") if suffix == ".mp4" else ()
    whole = make.clip(suffix, "-g", "5", "-bf", "0", *flags, sound_s=4.0, chirps_s=(0.5, 3.5))

    def damage(data: bytearray) -> bytearray:
        first = len(data) // 2 + 331 * seed
        data[first : first + 60] = bytes((i * 37 + seed) % 256 for i in range(60))
        return data

    path = make.altered(whole, damage)
    facts = probe(str(path))
    images = list(read_images(str(path), facts))
    healthy = list(read_images(str(whole), probe(str(whole))))
    assert make.number_of(images[20]) == make.number_of(healthy[20])
    assert make.number_of(images[-1]) == make.number_of(healthy[-1])
    samples, _ = SoundReader(str(path), facts.zero_s).read(0, 80_000)
    expected = make.chirps_in(SoundReader(str(whole), probe(str(whole)).zero_s).read(0, 80_000)[0])
    found = make.chirps_in(samples)
    assert found[0] == pytest.approx(expected[0], abs=1e-3)
    assert found[-1] == pytest.approx(expected[-1], abs=1e-3)


def test_ffmpeg_says_nothing_on_the_terminal(make) -> None:
    whole = make.clip(".mp4", "-movflags", "+faststart")

    def damage(data: bytearray) -> bytearray:
        half = len(data) // 2
        data[half : half + 400] = bytes(400)
        return data[:-100]

    path = make.altered(whole, damage)
    code = (
        "import sys; from syncqc.media.probe import probe; from syncqc.media.video import read_images\n"
        "from syncqc.media.sound import SoundReader\n"
        "path = sys.argv[1]; facts = probe(path); print(len(list(read_images(path, facts))))\n"
        "SoundReader(path, facts.zero_s).read(0, 32000)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert 0 < int(done.stdout) <= 50


def test_cover_image_is_no_picture_track(make, tmp_path: Path) -> None:
    cover = tmp_path / "cover.png"
    make.ffmpeg("-f", "lavfi", "-i", "color=s=32x32:d=0.04", "-frames:v", "1", str(cover))
    with_cover = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic")
    sound = make.changed(make.clip(".m4a", with_video=False), ".m4a", *with_cover, before=("-i", str(cover)))
    with open_container(str(sound)) as container:
        assert len(container.streams.video) == 1
        assert picture_stream(container) is None
    with pytest.raises(ClipError) as caught:
        probe(str(sound))
    assert caught.value.failure is Failure.NO_VIDEO

    film = make.changed(make.clip(".mp4"), ".mp4", *with_cover, before=("-i", str(cover)))
    facts = probe(str(film))
    assert (facts.video_codec, facts.width_px) == ("h264", 64)


def renamed(old: bytes, new: bytes):
    def alter(data: bytearray) -> bytearray:
        return data.replace(old, new)

    return alter


def test_picture_codec_without_decoder(make) -> None:
    path = make.altered(make.clip(".mp4"), renamed(b"avc1", b"zzz1"))
    with pytest.raises(ClipError, match="there is no decoder for the picture track") as caught:
        probe(str(path))
    assert caught.value.failure is Failure.UNREADABLE


def test_sound_codec_without_decoder_is_no_sound(make) -> None:
    path = make.altered(make.clip(".mov", "-c:a", "pcm_s16le"), renamed(b"sowt", b"zzzz"))
    with open_container(str(path)) as container:
        assert len(container.streams.audio) == 1
        assert sound_stream(container) is None
    assert probe(str(path)).audio_codec is None


def test_packets_hold_something_and_come_in_the_order_of_the_file(make) -> None:
    with open_container(str(make.clip(".avi", before_sound=("-itsoffset", "-0.3")))) as container:
        found = list(packets(container, *container.streams))
    assert all(packet.size for packet in found)
    assert [packet.pos for packet in found] == sorted(packet.pos for packet in found)


def test_times_rise_and_last_pictures_have_one(make) -> None:
    path = make.clip(".mkv", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "3", "-c:a", "pcm_s16le")
    with open_container(str(path)) as container:
        stream = picture_stream(container)
        assert stream is not None
        times_s = [time_s for _, time_s in decoded_pictures(container, stream)]
    assert times_s == [Fraction(k, 25) for k in range(50)]


def test_channels_listed_one_by_one_do_not_end_the_process(make) -> None:
    seven = make.changed(make.clip(".wav", with_video=False, n_channels=7, rate_hz=44_100), ".mov", "-c:a", "pcm_s16le")
    code = (
        "import sys; from fractions import Fraction; from syncqc.media.sound import SoundReader\n"
        "for _ in range(3): print(SoundReader(sys.argv[1], Fraction(0)).read(0, 32000)[1].all())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(seven)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", ["True"] * 3)
