"""Changes that leave the timing alone: shapes, ranges, seeds, and where sound and pictures lie afterwards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from scipy.signal import correlate

from syncqc.train import augment

RATE_HZ = 16_000
seeds = st.integers(0, 2**32 - 1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def pictures(n: int = 6, height: int = 24, width: int = 48) -> np.ndarray:
    return rng(9).integers(0, 256, (n, height, width, 3), np.uint8)


def bursts(seconds: float = 2.0, seed: int = 1) -> np.ndarray:
    """Noise that comes and goes as syllables do, about five times a second, with pauses."""
    random = rng(seed)
    n = int(seconds * RATE_HZ)
    gate = np.repeat(random.random(n // 1600 + 1) > 0.45, 1600)[:n]
    return (0.2 * random.normal(size=n) * gaussian_filter1d(gate.astype(float), 160)).clip(-1, 1).astype(np.float32)


def lag(changed: np.ndarray, original: np.ndarray, most: int = 1600) -> int:
    """By how many samples the changed sound comes later than the original."""
    score = np.abs(correlate(changed.astype(np.float64), original.astype(np.float64), mode="full", method="fft"))
    middle = len(original) - 1
    return int(score[middle - most : middle + most + 1].argmax()) - most


PICTURE_CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "place": lambda images, random: augment.place(images, 16, 32, random),
    "recolour": augment.recolour,
    "degrade": augment.degrade,
}
SOUND_CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "disturb": lambda sound, random: augment.disturb(sound, bursts(len(sound) / RATE_HZ, 77), random),
    "echo": lambda sound, random: augment.echo(sound, 0.3, 0.5, random),
    "colour": augment.colour,
}


@pytest.mark.parametrize("name", PICTURE_CHANGES)
@given(seed=seeds)
def test_pictures_stay_pictures_and_the_seed_decides(name: str, seed: int) -> None:
    images = pictures()
    before = images.copy()
    once, again = (PICTURE_CHANGES[name](images, rng(seed)) for _ in range(2))
    assert once.dtype == np.uint8
    assert once.shape == ((6, 16, 32, 3) if name == "place" else images.shape)
    assert np.array_equal(once, again)
    assert np.array_equal(images, before), "the cache's own pictures were changed"


@pytest.mark.parametrize("name", PICTURE_CHANGES)
def test_pictures_do_change(name: str) -> None:
    results = [PICTURE_CHANGES[name](pictures(), rng(seed)).tobytes() for seed in range(12)]
    assert len(set(results)) >= 6


def test_without_chance_the_exact_middle_is_taken() -> None:
    images = pictures(2, 24, 48)
    assert np.array_equal(augment.place(images, 16, 32, None), images[:, 4:20, 8:40])


def test_placed_pictures_lie_around_the_middle_and_half_of_them_are_mirrored() -> None:
    # Red rises to the right, green downwards, blue marks the middle.
    images = np.zeros((1, 48, 96, 3), np.uint8)
    images[..., 0] = np.linspace(0, 255, 96)
    images[..., 1] = np.linspace(0, 255, 48)[:, None]
    placed = np.stack([augment.place(images, 32, 64, rng(seed))[0] for seed in range(300)]).astype(float)
    to_the_right = placed[:, :, -8:, 0].mean((1, 2)) - placed[:, :, :8, 0].mean((1, 2))
    downwards = placed[:, -4:, :, 1].mean((1, 2)) - placed[:, :4, :, 1].mean((1, 2))
    # 56 of 95 columns times 255 is 150 between the means of the outer eighths.
    assert np.abs(to_the_right).mean() == pytest.approx(150, rel=0.1)
    assert 0.4 < (to_the_right < 0).mean() < 0.6
    assert (downwards > 100).all(), "nobody hangs upside down"
    assert placed[..., 0].mean() == pytest.approx(127.5, abs=2)
    assert placed[..., 1].mean() == pytest.approx(127.5, abs=2)


def test_a_mirrored_picture_is_the_unmirrored_one_turned_over() -> None:
    class Still:
        """Chance that always moves nothing; `random` decides about the mirror."""

        def __init__(self, mirror: bool) -> None:
            self.mirror = mirror

        def normal(self, mean: float, _: float, size: int | tuple[int, ...] | None = None) -> np.ndarray | float:
            return np.full(size, mean) if size is not None else mean

        def random(self) -> float:
            return 0.0 if self.mirror else 0.9

    images = pictures(2, 24, 48)
    straight, mirrored = (augment.place(images, 16, 32, Still(mirror)) for mirror in (False, True))  # type: ignore[arg-type]
    assert np.array_equal(straight, images[:, 4:20, 8:40])
    assert np.array_equal(mirrored, straight[:, :, ::-1])


def test_a_track_has_one_colour_and_one_quality() -> None:
    still = np.repeat(pictures(1), 5, axis=0)
    for seed in range(20):
        assert (augment.recolour(still, rng(seed)) == augment.recolour(still, rng(seed))[:1]).all()


def test_speeds_are_mostly_1_or_near_it() -> None:
    random = rng()
    speeds = np.array([augment.speed(random) for _ in range(2000)])
    assert (speeds == 1).mean() == pytest.approx(0.4, abs=0.04)
    assert 0.869 <= speeds.min() < 0.88
    assert 1.14 < speeds.max() <= 1.1503
    assert np.log(speeds).mean() == pytest.approx(0, abs=0.01), "as often slower as faster"


def test_pictures_between_two_are_blended_by_their_distance() -> None:
    crops = np.repeat(np.arange(0, 100, 10, np.uint8), 48).reshape(10, 4, 4, 3)
    at = np.array([0, 1.05, 1.2, 1.5, 2.75, 7.95, 8.8, 9.0])
    # Within a tenth of a picture it is shown alone, so that little is blurred for nothing.
    assert augment.between(crops, at)[:, 0, 0, 0].tolist() == [0, 10, 12, 15, 28, 80, 88, 90]
    assert (augment.between(crops, at) == augment.between(crops, at)[:, :1, :1, :1]).all()


def test_at_their_own_places_pictures_are_themselves() -> None:
    images = pictures()
    assert np.array_equal(augment.between(images, np.arange(6) * 1.0), images)
    assert np.array_equal(augment.between(images, np.array([5, 2, 2])), images[[5, 2, 2]])


def test_places_a_rounding_behind_the_last_picture_show_the_last() -> None:
    images = pictures()
    assert np.array_equal(augment.between(images, np.array([5 + 1e-9, 5.05])), images[[5, 5]])


@given(seed=seeds)
def test_what_is_erased_is_one_box_of_one_colour_and_the_rest_is_untouched(seed: int) -> None:
    images = pictures()
    before = images.copy()
    erased = augment.erase(images, rng(seed))
    assert np.array_equal(images, before), "the given pictures were changed"
    assert np.array_equal(erased, augment.erase(images, rng(seed)))
    rows, columns = ((erased != images).any(axis=axes) for axes in ((0, 2, 3), (0, 1, 3)))
    if rows.any():
        top, bottom = np.flatnonzero(rows)[[0, -1]]
        left, right = np.flatnonzero(columns)[[0, -1]]
        box = erased[:, top : bottom + 1, left : right + 1]
        assert (box == box[:1, :1, :1]).all()
        assert 3 <= bottom - top + 1 <= 10 and 4 <= right - left + 1 <= 16  # 15-45 % of 24 rows, 10-35 % of 48 columns


def test_three_tracks_of_ten_have_something_erased() -> None:
    images = pictures(1)
    assert np.mean([augment.erase(images, rng(seed)) is not images for seed in range(1000)]) == pytest.approx(0.3, abs=0.04)


@given(seed=seeds, n=st.integers(1, 80))
def test_stutter_never_shows_the_future_and_never_goes_back(seed: int, n: int) -> None:
    shown = augment.stutter(n, rng(seed))
    assert shown.shape == (n,)
    assert (shown <= np.arange(n)).all()
    assert (np.diff(shown) >= 0).all()
    assert shown[0] == 0
    # 12 images per second or more: what is shown is at most 25/12 = 2.1 images old.
    assert (np.arange(n) - shown <= 2).all()


def test_stutter_is_rare_and_repeats_images() -> None:
    lines = [augment.stutter(50, rng(seed)) for seed in range(400)]
    stutters = [line for line in lines if len(np.unique(line)) < 50]
    assert 0.1 < len(stutters) / len(lines) < 0.2
    # 12 to 24.5 images per second: between 24 and 49 different ones within two seconds.
    assert all(23 <= len(np.unique(line)) <= 50 for line in stutters)


@pytest.mark.parametrize("name", SOUND_CHANGES)
@given(seed=seeds)
def test_sound_stays_sound_and_the_seed_decides(name: str, seed: int) -> None:
    sound = bursts(0.2)
    before = sound.copy()
    once, again = (SOUND_CHANGES[name](sound, rng(seed)) for _ in range(2))
    assert (once.dtype, once.shape) == (np.float32, sound.shape)
    assert np.isfinite(once).all()
    assert np.array_equal(once, again)
    assert np.array_equal(sound, before)
    if name == "disturb":
        assert np.abs(once).max() <= 1


@pytest.mark.parametrize("seed", range(25))
def test_disturbing_keeps_the_timing(seed: int) -> None:
    sound = bursts(3.0, seed)
    assert lag(SOUND_CHANGES["disturb"](sound, rng(seed)), sound) == 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["echo", "colour"])
def test_echo_and_colour_keep_the_direct_sound_in_its_place(name: str, seed: int) -> None:
    sound = bursts(1.0, seed)
    assert lag(SOUND_CHANGES[name](sound, rng(seed)), sound) == 0


def test_echo_starts_with_the_sound_itself_and_comes_only_afterwards() -> None:
    click = np.zeros(8000, np.float32)
    click[1000] = 0.5
    heard = augment.echo(click, 0.2, 0.4, rng(2))
    assert heard[1000] == pytest.approx(0.5, abs=1e-6)
    assert np.abs(heard[:1000]).max() < 1e-6
    assert np.abs(heard[1001:1032]).max() < 1e-6, "the first reflection comes after 2 ms"
    # The tail has `level` times the size of the direct sound, and is over after `decay_s`.
    assert np.linalg.norm(heard[1032:]) == pytest.approx(0.4 * 0.5, rel=0.01)
    assert np.abs(heard[1000 + 3200 :]).max() < 1e-6


def test_silence_stays_silent_enough() -> None:
    silence = np.zeros(3200, np.float32)
    loudest = max(np.abs(augment.disturb(silence, silence, rng(seed))).max() for seed in range(40))
    assert loudest < 1e-3


@pytest.mark.parametrize(("slope", "ratio"), [(0.0, 1.0), (1.0, 8.0), (2.0, 64.0)], ids=["white", "pink", "brown"])
def test_noise_has_its_colour(slope: float, ratio: float) -> None:
    power = np.abs(np.fft.rfft(augment.coloured_noise(2**17, slope, rng(4)))) ** 2
    low, high = (power[len(power) * 3 // 40 :][: len(power) // 200], power[len(power) * 24 // 40 :][: len(power) // 200])
    # The bands lie a factor of 8 apart.
    assert low.mean() / high.mean() == pytest.approx(ratio, rel=0.2)


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
def test_noise_is_added_at_the_wanted_level(snr_db: float) -> None:
    sound, noise = bursts(1.0), bursts(1.0, 5) * 3
    added = augment._add(sound, noise, float(np.mean(sound**2)), snr_db) - sound
    assert 10 * np.log10(np.mean(sound**2) / np.mean(added**2)) == pytest.approx(snr_db, abs=0.01)


@given(seed=seeds)
def test_masked_bands_lie_side_by_side_and_hold_their_mean(seed: int) -> None:
    mel = rng(1).random((12, 80), np.float32)
    masked = augment.mask_bands(mel, rng(seed))
    assert (masked.dtype, masked.shape) == (np.float32, mel.shape)
    changed = np.flatnonzero((masked != mel).any(axis=0))
    stretches = np.split(changed, np.flatnonzero(np.diff(changed) > 1) + 1) if len(changed) else []
    assert len(stretches) <= 2
    assert len(changed) <= 22
    assert masked.mean() == pytest.approx(mel.mean(), abs=1e-4)


def test_most_mels_keep_all_their_bands() -> None:
    mel = rng(1).random((4, 80), np.float32)
    untouched = np.mean([np.array_equal(augment.mask_bands(mel, rng(seed)), mel) for seed in range(400)])
    # 0.6 are left alone, of the others a third gets no stretch.
    assert untouched == pytest.approx(0.6 + 0.4 / 3, abs=0.06)


@pytest.mark.parametrize("n", [1, 2, 75, 81, 4999, 16000])
def test_noise_and_colour_are_as_long_as_they_are_told(n: int) -> None:
    assert augment.coloured_noise(n, 1.0, np.random.default_rng(0)).shape == (n,)
    assert augment.colour(np.ones(n, np.float32), np.random.default_rng(0)).shape == (n,)


def peak(mel: np.ndarray) -> np.ndarray:
    return mel.argmax(axis=1)


def test_another_throat_moves_bands_by_up_to_a_tenth_or_not_at_all() -> None:
    # One bump around band 40 in each of six columns.
    mel = np.tile(np.exp(-(((np.arange(80) - 40) / 3) ** 2)).astype(np.float32), (6, 1))
    moved = [augment.other_throat(mel, np.random.default_rng(seed)) for seed in range(60)]
    assert {out.shape for out in moved} == {(6, 80)} and {out.dtype for out in moved} == {np.dtype(np.float32)}
    untouched = sum(np.array_equal(out, mel) for out in moved)
    assert 15 < untouched < 45
    places = [int(peak(out)[0]) for out in moved]
    assert min(places) >= 36 and max(places) <= 45
    assert min(places) < 39 and max(places) > 41
    assert all(len(set(peak(out))) == 1 for out in moved), "all columns alike"


def test_another_throat_by_hand() -> None:
    class Told:
        """Chance that says: do it, by a factor of 1.05."""

        def random(self) -> float:
            return 0.0

        def uniform(self, _low: float, _high: float) -> float:
            return 1.05

    mel = np.arange(80, dtype=np.float32)[None]
    out = augment.other_throat(mel, Told())  # type: ignore[arg-type]
    # Band 20 hears what was at 21; the last bands hear the last one.
    assert out[0, 20] == pytest.approx(21.0, abs=1e-4)
    assert out[0, 10] == pytest.approx(10.5, abs=1e-4)
    assert out[0, 76:].tolist() == pytest.approx([79.0] * 4)
    assert mel[0, 20] == 20, "what it was given is as it was"


def test_grey_is_the_mean_of_the_colours_whatever_they_were() -> None:
    class Grey:
        """Chance that takes colour away and changes nothing else."""

        def __init__(self) -> None:
            self.answers = iter([0.0, 1.0])

        def random(self) -> float:
            return next(self.answers)

        def normal(self, *_: object) -> float:
            return 0.0

    image = np.zeros((1, 1, 2, 3), np.uint8)
    image[0, 0] = [[30, 60, 90], [200, 100, 0]]
    assert augment.recolour(image, Grey())[0, 0].tolist() == [[60, 60, 60], [100, 100, 100]]  # type: ignore[arg-type]
