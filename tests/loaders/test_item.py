from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from syncqc.clock import SAMPLES_PER_IMAGE
from syncqc.errors import ClipError, Failure
from syncqc.faces.crop import CropShape, mouth_crops
from syncqc.loaders.index import Segment
from syncqc.loaders.item import mel_span, read_item, sound_span
from syncqc.loaders.settings import LoaderSettings
from syncqc.loaders.stored_faces import Face
from syncqc.media.mel import MelFrontEnd, mel_columns, reach
from syncqc.media.probe import probe
from syncqc.media.resync import Repair, repair_sidecar, repair_video
from syncqc.media.sound import SoundReader
from syncqc.media.video import read_images

RAW = LoaderSettings()


def segment(path: str, **columns: object) -> Segment:
    return Segment("x", path, None, 0, 0, 0, 60, 0, 0.0, 0.0)._replace(**columns)


def face(n: int) -> Face:
    """A face in the middle of the picture that goes half a pixel to the right with each image."""
    points = np.array([[26, 12], [38, 12], [32, 18], [28, 24], [36, 24]], np.float32)
    moves = np.stack([np.arange(n) * 0.5, np.zeros(n)], axis=1).astype(np.float32)
    boxes = np.array([20, 4, 44, 32], np.float32) + np.tile(moves, 2)
    return Face(boxes.astype(np.float32), points + moves[:, None])


SHIFTS = {"in time": 0, "early": 3, "late": -4}


@pytest.mark.parametrize("shift", SHIFTS.values(), ids=SHIFTS.keys())
def test_images_and_sound_are_those_of_the_stretch_with_the_offset_taken_away(shared, shift: int) -> None:
    clip = segment(shared.clip("x"), shift_frames=shift)
    item = read_item(5, clip, 20, 10, RAW, None)
    assert [shared.number_of(image) for image in item["images"]] == list(range(20, 30))
    assert (item["images"].shape, item["images"].dtype) == ((10, 3, 48, 64), torch.uint8)
    # Early sound is delayed: with image 20 goes what lies `shift` images before it in the file.
    first = (20 - shift) * SAMPLES_PER_IMAGE
    np.testing.assert_allclose(shared.sample_numbers(item["sound"]), np.arange(first, first + 6400), atol=1)
    assert (item["sound"].shape, item["sound"].dtype) == ((6400,), torch.float32)
    assert item["is_sound"].all()
    assert (item["row"], item["clip_id"], item["first_image"], item["n_images"], item["offset_frames"]) == (5, "x", 20, 10, shift)
    assert item["sound_begins_at"] == 0


ENDS = {"before the sound begins": (3, 0, slice(0, 3)), "after the sound ends": (-3, 50, slice(7, 10))}


@pytest.mark.parametrize(("shift", "first", "gone"), ENDS.values(), ids=ENDS.keys())
def test_sound_beyond_the_file_is_marked(shared, shift: int, first: int, gone: slice) -> None:
    item = read_item(0, segment(shared.clip("x"), shift_frames=shift), first, 10, RAW, None)
    expected = np.ones(10, np.bool_)
    expected[gone] = False
    np.testing.assert_array_equal(item["is_sound"].numpy().reshape(10, -1), np.repeat(expected[:, None], 640, 1))
    assert (item["sound"][~item["is_sound"]] == 0).all()


# 0.12 s at the beginning, 0.08 s at the end of a sound of 60 images.
PADS = {"beginning": (0.12, 0, [0, 1, 2]), "end": (-0.08, 50, [8, 9]), "none": (0.0, 0, [])}


@pytest.mark.parametrize(("pad_s", "first", "gone"), PADS.values(), ids=PADS.keys())
def test_silence_that_was_put_in_is_no_sound(shared, pad_s: float, first: int, gone: list[int]) -> None:
    clip = segment(shared.clip("x"), pad_s=np.float32(pad_s).item())
    is_sound = read_item(0, clip, first, 10, RAW, None)["is_sound"].numpy().reshape(10, -1)
    assert [k for k in range(10) if not is_sound[k].any()] == gone
    assert [k for k in range(10) if not is_sound[k].all()] == gone


def test_a_file_without_sound_gives_none(shared) -> None:
    item = read_item(0, segment(shared.clip("mute", has_sound=False)), 10, 10, RAW, None)
    assert item["sound"].shape == (6400,)
    assert not item["is_sound"].any()
    assert not item["sound"].any()


def test_sound_of_a_sidecar_that_begins_earlier(shared) -> None:
    path, sidecar = shared.clip("x"), shared.folder / "long.wav"
    soundfile.write(sidecar, shared.ramp(60_000), 16_000, "PCM_16")
    clip = segment(path, audio_path=str(sidecar), audio_start_s=0.4, shift_frames=2)
    item = read_item(0, clip, 20, 10, RAW, None)
    first = (20 - 2 + 10) * SAMPLES_PER_IMAGE
    np.testing.assert_allclose(shared.sample_numbers(item["sound"]), np.arange(first, first + 6400), atol=1)


def test_context_and_mel_are_the_files_own(shared) -> None:
    settings = replace(RAW, images="none", sound_context_images=5, mel=MelFrontEnd())
    clip = segment(shared.clip("noise", sound=np.random.default_rng(0).uniform(-0.5, 0.5, 60 * 640)), shift_frames=1)
    item = read_item(0, clip, 20, 10, settings, None)
    facts = probe(clip.path)
    whole, is_present = SoundReader(clip.path, facts.zero_s).read(0, 60 * 640)
    assert "images" not in item
    assert item["sound_begins_at"] == -3200
    np.testing.assert_array_equal(item["sound"].numpy(), whole[(19 - 5) * 640 : (29 + 5) * 640])
    begin, end = (19 * 640 + edge for edge in reach(*mel_span(10)))
    mel, is_mel = mel_columns(whole[begin:end], is_present[begin:end], MelFrontEnd())
    np.testing.assert_array_equal(item["mel"].numpy(), mel)
    np.testing.assert_array_equal(item["is_mel"].numpy(), is_mel)
    assert item["mel_begins_at"] == -8
    # Windows 0 ... 5 begin at columns round(3.2 j) - 8 and are 32 long: 16 - 8 + 32 - (-8).
    assert item["mel"].shape == (48, 80)


def test_the_span_of_sound_is_the_wider_of_context_and_mel() -> None:
    assert sound_span(10, RAW) == (0, 6400)
    assert sound_span(10, replace(RAW, sound_context_images=2)) == (-1280, 7680)
    assert sound_span(10, replace(RAW, mel=MelFrontEnd())) == (-8 * 200 - 401, 39 * 200 + 400)


def test_mouths_and_faces_are_cut_from_the_same_pictures(shared) -> None:
    size_px = (20, 30)
    settings = replace(RAW, images="face", size_px=size_px, crops=True, landmarks=True, crop_height_px=12, crop_width_px=24)
    clip = segment(shared.clip("x"))
    item = read_item(0, clip, 30, 8, settings, face(8))
    images = np.stack(list(read_images(clip.path, probe(clip.path))))[30:38]
    expected = mouth_crops(images, face(8).landmarks_px, CropShape(12, 24))
    np.testing.assert_array_equal(item["crops"].permute(0, 2, 3, 1).numpy(), expected)
    assert item["images"].shape == (8, 3, *size_px)
    # The box, 28 high and 42 wide with 1.3 around it, fills the picture; its centre is that of the box.
    per_pixel = 28 * 1.3 / 20
    mouth = item["landmarks"][:, 3:].mean(dim=1).numpy()
    np.testing.assert_allclose(mouth, [[14.5, 9.5 + (24 - 18) / per_pixel]] * 8, atol=1e-4)


def test_landmarks_are_in_the_pixels_of_the_pictures_that_are_given(shared) -> None:
    settings = replace(RAW, landmarks=True, max_short_side_px=24)
    item = read_item(0, segment(shared.clip("x")), 30, 8, settings, face(8))
    assert item["images"].shape == (8, 3, 24, 32)
    np.testing.assert_allclose(item["landmarks"].numpy(), face(8).landmarks_px / 2)


def test_decoding_that_ends_too_early_is_an_error(shared) -> None:
    with pytest.raises(ClipError, match="decoding ends at image 60, before 65") as caught:
        read_item(0, segment(shared.clip("x")), 55, 10, RAW, None)
    assert caught.value.failure is Failure.UNREADABLE


WRITTEN = [(3, "pcm", ".mkv"), (-4, "pcm", ".mkv"), (3, "aac", ".mp4"), (-4, "aac", ".mp4")]


@pytest.mark.parametrize(("shift", "codec", "suffix"), WRITTEN)
def test_a_written_repair_is_heard_as_the_virtual_one(shared, shift: int, codec: str, suffix: str) -> None:
    source = shared.clip("noise", sound=np.random.default_rng(0).uniform(-0.5, 0.5, 60 * 640))
    out = shared.folder / f"{codec}{shift}{suffix}"
    done = repair_video(Path(source), out, Repair(shift, audio_codec=codec))
    virtual = read_item(0, segment(source, shift_frames=shift), 0, 60, RAW, None)
    written = read_item(0, segment(str(out), pad_s=done.pad_s), 0, 60, RAW, None)
    torch.testing.assert_close(written["images"], virtual["images"])
    assert torch.equal(written["is_sound"], virtual["is_sound"])
    assert int((~virtual["is_sound"]).sum()) == abs(shift) * SAMPLES_PER_IMAGE
    heard = virtual["is_sound"].numpy()
    correlation = np.corrcoef(virtual["sound"].numpy()[heard], written["sound"].numpy()[heard])[0, 1]
    assert correlation > (0.95 if codec == "aac" else 0.9999)


def test_a_written_sidecar_is_heard_as_the_virtual_one(shared) -> None:
    source, sidecar, out = shared.clip("x"), shared.folder / "own.wav", shared.folder / "repaired.wav"
    soundfile.write(sidecar, shared.ramp(60 * 640), 16_000, "PCM_16")
    done = repair_sidecar(Path(source), sidecar, out, Repair(3, audio_codec="pcm"))
    virtual = read_item(0, segment(source, audio_path=str(sidecar), shift_frames=3), 0, 60, RAW, None)
    written = read_item(0, segment(source, audio_path=str(out), pad_s=done.pad_s), 0, 60, RAW, None)
    assert torch.equal(written["is_sound"], virtual["is_sound"])
    np.testing.assert_allclose(written["sound"].numpy(), virtual["sound"].numpy(), atol=1e-4)
