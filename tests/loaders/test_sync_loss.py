"""The loss: which windows meet which sound, what it is worth by hand, where gradients go, and that it knows lips that fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, exp, log

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from syncqc.clock import first_mel_column
from syncqc.faces.crop import CropShape, mouth_crops
from syncqc.faces.registry import open_detector
from syncqc.loaders.sync_loss import SyncLoss
from syncqc.media.mel import MelFrontEnd, mel_columns, reach
from syncqc.media.synthetic import Talk, images, picture_times_s, sound
from syncqc.nets.checkpoint import Header, LoadedNet
from syncqc.nets.ic_syncnet import IcSyncNet, IcSyncNetConfig
from syncqc.stages.part import Mel
from syncqc.stages.score import Score

torch.set_num_threads(1)

MINI = IcSyncNetConfig(
    height_px=14, width_px=26, visual_widths=(4, 6, 8), visual_depth=1, audio_widths=(4, 6, 8), audio_depth=1, embedding=12
)


def loaded(network: IcSyncNet, **header: object) -> LoadedNet:
    return LoadedNet(network, Header(**{"name": "mini", "config": {}, "tau": 0.1, **header}), "no file")  # type: ignore[arg-type]


def mini(seed: int = 0, config: IcSyncNetConfig = MINI) -> IcSyncNet:
    """A small network with random weights and statistics."""
    torch.manual_seed(seed)
    return IcSyncNet(config)


class Told(IcSyncNet):
    """Embeddings that can be read off: the angle of a window is its middle image's red, of its sound the first aligned column."""

    def embed_video(self, images: Tensor) -> Tensor:
        assert (images[:, 6:9] == images[:, 6:9, :1, :1]).all(), "images one after another, their colours together"
        return torch.stack([images[:, 6, 0, 0].cos(), images[:, 6, 0, 0].sin()], dim=1)

    def embed_audio(self, mel: Tensor) -> Tensor:
        return torch.stack([mel[:, 0, 8, 0].cos(), mel[:, 0, 8, 0].sin()], dim=1)


class Exact(IcSyncNet):
    """The network without its last step, which makes single precision of everything."""

    def embed_video(self, images: Tensor) -> Tensor:
        return F.normalize(self.visual(images - 0.5).flatten(1), dim=1)

    def embed_audio(self, mel: Tensor) -> Tensor:
        return F.normalize(self.audio(mel - 0.5).flatten(1), dim=1)


def told_images(n: int) -> Tensor:
    """(1, n, 3, 14, 26), image k all k / 100."""
    return (torch.arange(n) / 100)[None, :, None, None, None].expand(1, n, 3, 14, 26)


def told_mel(first: int, n: int) -> Tensor:
    """(1, n, 80), column k all k / 100."""
    return ((first + torch.arange(n)) / 100)[None, :, None].expand(1, n, 80)


def counted(judged: Tensor) -> list[int]:
    """Numbers of the windows that counted, of the first of the batch."""
    return (~judged[0].isnan()).nonzero()[:, 0].tolist()


# Which sound a window meets, and the loss by hand.


@pytest.mark.parametrize(
    ("rounding", "zero", "columns"),
    [
        ("round", 0, [0, 3, 6, 10, 13]),
        ("floor", 0, [0, 3, 6, 9, 12]),
        ("round", 2, [-6, -3, 0, 3, 6]),
        ("round", -1, [3, 6, 10, 13, 16]),
    ],
    ids=["round", "floor", "zero +2", "zero -1"],
)
def test_every_window_meets_its_own_sound(rounding: str, zero: int, columns: list[int]) -> None:
    judge = SyncLoss(loaded(Told(MINI), mel_rounding=rounding, zero_offset_frames=zero)).judge
    found = judge(told_images(9), told_mel(-20, 80), sound_begins_at=-20)
    expected = [cos((j + 2) / 100 - column / 100) for j, column in enumerate(columns)]
    assert found.cosine[0].tolist() == pytest.approx(expected, abs=1e-6)
    assert found.probability[0].tolist() == pytest.approx([1 / (1 + exp(-c / 0.1)) for c in expected], abs=1e-6)
    assert found.loss.item() == pytest.approx(sum(log(1 + exp(-c / 0.1)) for c in expected) / 5, rel=1e-4)


def test_against_shifts_by_hand() -> None:
    sync_loss = SyncLoss(loaded(Told(MINI)), against_shifts=True, w=2)
    found = sync_loss.judge(told_images(7), told_mel(-8, 8 + 34), sound_begins_at=-8)
    column = {-2: -6, -1: -3, 0: 0, 1: 3, 2: 6, 3: 10, 4: 13}
    total = 0.0
    for j in range(3):
        # Sound begins with column -8 and ends with 33: windows 0 ... 3 have all of it (10 - 8 + 31 = 33).
        logits = {i: cos((j + 2 - column[i]) / 100) / 0.1 for i in range(j - 2, j + 3) if 0 <= i <= 3}
        total += log(sum(exp(value) for value in logits.values())) - logits[j]
    assert counted(found.cosine) == [0, 1, 2]
    assert found.loss.item() == pytest.approx(total / 3, rel=1e-4)


def test_a_window_without_another_sound_says_nothing_against_shifts() -> None:
    sync_loss = SyncLoss(loaded(Told(MINI)), against_shifts=True, w=2)
    only_one = told_mel(-8, 32)
    assert counted(SyncLoss(loaded(Told(MINI))).judge(told_images(7), only_one, sound_begins_at=-8).cosine) == [0]
    with pytest.raises(ValueError, match="not one window"):
        sync_loss(told_images(7), only_one, sound_begins_at=-8)


# Which windows count. A window's 32 columns reach from 401 samples before the first one's centre to 400 after the last one's.


@pytest.mark.parametrize(
    ("n_columns", "begins_at", "n_samples", "missing", "expected"),
    [
        (32, 0, 16_000, None, range(4, 18)),
        (16, 0, 16_000, None, range(1, 20)),
        (32, -3200, 22_400, None, range(21)),
        (32, -2001, 20_000, None, range(21)),
        (32, -2000, 20_000, None, range(1, 21)),
        (32, 0, 16_000, 8000, [4, 16, 17]),
        (32, -3200, 22_400, 3200, range(4, 21)),
    ],
    ids=["no context", "16 columns, no context", "context", "context, just enough", "a sample too few", "a hole", "no sound at the zero"],
)
def test_windows_without_all_their_sound_are_left_out(
    n_columns: int, begins_at: int, n_samples: int, missing: int | None, expected: list[int]
) -> None:
    network = mini(config=IcSyncNetConfig(**{**vars(MINI), "mel_columns": n_columns}))
    is_sound = torch.ones(1, n_samples, dtype=torch.bool)
    if missing is not None:
        is_sound[0, missing] = False
    samples = 0.1 * torch.randn(1, n_samples)
    found = SyncLoss(loaded(network)).judge(torch.rand(1, 25, 3, 14, 26), samples, sound_begins_at=begins_at, is_sound=is_sound)
    assert counted(found.cosine) == list(expected)
    assert found.loss.item() == pytest.approx(F.softplus(-found.cosine[0, list(expected)] / 0.1).mean().item(), rel=1e-5)


def test_what_is_no_sound_changes_nothing() -> None:
    judge = SyncLoss(loaded(mini())).judge
    pictures, samples, is_sound = torch.rand(1, 25, 3, 14, 26), 0.1 * torch.randn(1, 16_000), torch.ones(1, 16_000, dtype=torch.bool)
    is_sound[0, 9000:] = False
    other = torch.where(is_sound, samples, 7.0)
    assert judge(pictures, samples, is_sound=is_sound).loss == judge(pictures, other, is_sound=is_sound).loss
    assert judge(pictures, samples).loss != judge(pictures, other).loss


def test_windows_with_an_image_that_is_not_there_are_left_out() -> None:
    is_image = torch.ones(1, 25, dtype=torch.bool)
    is_image[0, 10] = False
    found = SyncLoss(loaded(mini())).judge(torch.rand(1, 25, 3, 14, 26), 0.1 * torch.randn(1, 16_000), is_image=is_image)
    assert counted(found.cosine) == [4, 5, 11, 12, 13, 14, 15, 16, 17]


def test_clips_of_a_batch_are_judged_as_if_alone() -> None:
    judge = SyncLoss(loaded(mini()), against_shifts=True, w=3).judge
    pictures, samples = torch.rand(2, 25, 3, 14, 26), 0.1 * torch.randn(2, 16_000)
    is_sound = torch.ones(2, 16_000, dtype=torch.bool)
    is_sound[1, 9000:] = False
    together = judge(pictures, samples, is_sound=is_sound)
    for i in range(2):
        alone = judge(pictures[i : i + 1], samples[i : i + 1], is_sound=is_sound[i : i + 1])
        torch.testing.assert_close(together.cosine[i], alone.cosine[0], equal_nan=True)


def test_padding_to_the_longest_changes_nothing() -> None:
    """As `collate` pads: images, landmarks and sound with zeros, and masks that say so."""
    judge = SyncLoss(loaded(mini())).judge
    face = torch.tensor([[12.0, 8], [28, 9], [20, 14], [14, 20], [26, 21]])
    lengths = (20, 13)
    items = [(torch.rand(n, 3, 30, 40), face + torch.rand(n, 5, 2), 0.1 * torch.randn(n * 640)) for n in lengths]
    pictures, faces, samples = (torch.nn.utils.rnn.pad_sequence(list(of), batch_first=True) for of in zip(*items, strict=True))
    is_image = torch.arange(20) < torch.tensor(lengths)[:, None]
    is_sound = torch.arange(20 * 640) < 640 * torch.tensor(lengths)[:, None]
    together = judge(pictures, samples, faces, is_image=is_image, is_sound=is_sound)
    alone = [judge(x[None], sound[None], points[None]).cosine[0] for x, points, sound in items]
    torch.testing.assert_close(together.cosine[0], alone[0], equal_nan=True)
    torch.testing.assert_close(together.cosine[1, : 13 - 4], alone[1], equal_nan=True)
    assert together.cosine[1, 13 - 4 :].isnan().all()
    counted_cosines = torch.cat(alone)
    expected = F.softplus(-counted_cosines[~counted_cosines.isnan()] / 0.1).mean()
    assert together.loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_samples_and_mel_of_them_give_the_same() -> None:
    judge = SyncLoss(loaded(mini(), mel={"pre_emphasis": 0.5})).judge
    pictures, samples = torch.rand(2, 12, 3, 14, 26), 0.1 * torch.randn(2, 9001)
    first, n = -6, 40
    begin, end = reach(first, n)
    mel = [
        mel_columns(x[begin + 1700 : end + 1700].numpy(), np.ones(end - begin, np.bool_), MelFrontEnd(pre_emphasis=0.5))[0] for x in samples
    ]
    by_samples = judge(pictures, samples, sound_begins_at=-1700)
    by_mel = judge(pictures, torch.from_numpy(np.stack(mel)), sound_begins_at=first)
    torch.testing.assert_close(by_samples.cosine, by_mel.cosine, equal_nan=True, atol=1e-5, rtol=0)
    assert counted(by_samples.cosine) == list(range(1, 4))


# Gradients.


@pytest.mark.parametrize("against_shifts", [False, True], ids=["in sync", "against shifts"])
@pytest.mark.parametrize("has_landmarks", [False, True], ids=["crops", "faces"])
def test_gradients_are_those_of_finite_differences(has_landmarks: bool, against_shifts: bool) -> None:
    torch.manual_seed(1)
    sync_loss = SyncLoss(loaded(Exact(MINI).double()), against_shifts=against_shifts, w=2, windows_at_once=2)
    pictures = torch.rand(2, 8, 3, *((30, 40) if has_landmarks else (14, 26)), dtype=torch.double, requires_grad=True)
    face = torch.tensor([[12.0, 8], [28, 9], [20, 14], [14, 20], [26, 21]]) + torch.rand(2, 8, 5, 2) if has_landmarks else None
    samples = 0.1 * torch.randn(2, 11_000, dtype=torch.double)
    assert torch.autograd.gradcheck(lambda x: sync_loss(x, samples, face, sound_begins_at=-3000), pictures, fast_mode=True, atol=1e-6)


def test_the_network_is_frozen_and_stays_in_evaluation_mode() -> None:
    own = mini()
    sync_loss = SyncLoss(loaded(own)).train()
    trainer = torch.nn.ModuleDict({"judge": sync_loss, "generator": torch.nn.Linear(2, 2)}).train()
    before = {name: value.clone() for name, value in sync_loss.network.state_dict().items()}
    pictures = torch.rand(1, 25, 3, 14, 26, requires_grad=True)
    sync_loss(pictures, 0.1 * torch.randn(1, 16_000)).backward()
    assert trainer["generator"].training
    assert not any(module.training for module in sync_loss.network.modules())
    assert [name for name, weight in sync_loss.network.named_parameters() if weight.requires_grad or weight.grad is not None] == []
    assert pictures.grad is not None
    assert all(torch.equal(value, before[name]) for name, value in sync_loss.network.state_dict().items()), "no statistics are gathered"
    assert own.training and all(weight.requires_grad for weight in own.parameters()), "the caller's network is left alone"
    # Images that no counted window shows get none: windows 4-17 count, images 4-21.
    reached = pictures.grad.abs().sum(dim=(2, 3, 4))[0] > 0
    assert reached.nonzero()[:, 0].tolist() == list(range(4, 22))


def kept_bytes(work: Callable[[], Tensor]) -> int:
    """Size of what is kept for the backward pass."""
    sizes: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        sizes[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        work()
    return sum(sizes.values())


def test_chunks_change_nothing_but_memory() -> None:
    torch.manual_seed(0)
    pictures, samples = torch.rand(2, 25, 3, 14, 26), 0.1 * torch.randn(2, 16_000)
    losses, gradients, kept = [], [], []
    for windows_at_once in (512, 3):
        sync_loss, x = SyncLoss(loaded(mini()), windows_at_once=windows_at_once), pictures.clone().requires_grad_()
        kept.append(kept_bytes(lambda sync_loss=sync_loss, x=x: sync_loss(x, samples)))
        loss = sync_loss(x, samples)
        loss.backward()
        losses.append(loss.item())
        gradients.append(x.grad)
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-9)
    assert kept[1] < kept[0] / 5


def test_half_precision_maps_give_nearly_the_same() -> None:
    sync_loss, pictures, samples = SyncLoss(loaded(mini())), torch.rand(1, 25, 3, 14, 26, requires_grad=True), 0.1 * torch.randn(1, 16_000)
    exact = sync_loss(pictures, samples)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = sync_loss(pictures, samples)
    half.backward()
    assert half.dtype == torch.float32
    assert half.item() != exact.item(), "autocast reaches the network"
    assert half.item() == pytest.approx(exact.item(), rel=0.05)
    assert pictures.grad is not None
    assert pictures.grad.abs().sum() > 0


# What is refused.

SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...] | None, str]] = {
    "channels before frames": ((1, 3, 25, 14, 26), (1, 16_000), None, r"\(batch, 5 or more, 3, height, width\)"),
    "one clip without a batch": ((25, 3, 14, 26), (1, 16_000), None, r"\(batch, 5 or more, 3, height, width\)"),
    "four images": ((1, 4, 3, 14, 26), (1, 16_000), None, r"\(batch, 5 or more, 3, height, width\)"),
    "faces without landmarks": ((1, 25, 3, 96, 96), (1, 16_000), None, "must be 14 x 26.*need landmarks"),
    "landmarks of one image": ((1, 25, 3, 96, 96), (1, 16_000), (1, 5, 2), r"landmarks must be \(batch, frames, 5, 2\)"),
    "another batch of sound": ((2, 25, 3, 14, 26), (1, 16_000), None, "of one batch"),
    "mel turned": ((1, 25, 3, 14, 26), (1, 80, 100), None, r"\(batch, columns, 80\)"),
    "hardly any sound": ((1, 25, 3, 14, 26), (1, 801), None, "too little sound for one mel column"),
    "not enough sound for one window": ((1, 25, 3, 14, 26), (1, 6000), None, "not one window"),
}


@pytest.mark.parametrize(("pictures", "samples", "landmarks", "words"), SHAPES.values(), ids=SHAPES)
def test_wrong_shapes_are_refused(
    pictures: tuple[int, ...], samples: tuple[int, ...], landmarks: tuple[int, ...] | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        SyncLoss(loaded(mini()))(torch.zeros(pictures), torch.zeros(samples), None if landmarks is None else torch.zeros(landmarks))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"is_sound": torch.ones(1, 15_999, dtype=torch.bool)}, "is_sound must be"),
        ({"is_image": torch.ones(1, 24, dtype=torch.bool)}, "is_image must be"),
        ({"images": torch.zeros(1, 25, 3, 14, 26, dtype=torch.uint8)}, "images must be floats.*uint8"),
        ({"sound": torch.zeros(1, 16_000, dtype=torch.int16)}, "sound must be floats.*int16"),
    ],
    ids=["is_sound", "is_image", "bytes", "integer sound"],
)
def test_wrong_masks_and_types_are_refused(given: dict[str, Tensor], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SyncLoss(loaded(mini()))(**{"images": torch.zeros(1, 25, 3, 14, 26), "sound": torch.zeros(1, 16_000), **given})


@pytest.mark.parametrize("settings", [{"w": 0}, {"windows_at_once": 0}], ids=str)
def test_settings_that_cannot_work_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        SyncLoss(loaded(mini()), **settings)


# The network that comes with the package, on a drawn clip.


@dataclass
class Drawn:
    """A second and more of a drawn talk, with sound from half a second before to half a second after it."""

    pictures: np.ndarray
    landmarks: np.ndarray
    crops: np.ndarray
    samples: np.ndarray
    begins_at: int


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    first, n, around = 15, 30, 12
    talk = Talk(seed=3, duration_s=2.4)
    pictures = np.stack(list(images(talk, picture_times_s(talk)[first : first + n])))
    found = open_detector("centerface").detect(pictures)
    landmarks = np.stack([faces.landmarks_px[0] for faces in found])
    crops = mouth_crops(pictures, landmarks, CropShape())
    samples = sound(talk)[(first - around) * 640 : (first + n + around) * 640].astype(np.float32)
    return Drawn(pictures, landmarks, crops, samples, -around * 640)


def as_images(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)[None].float() / 255


def measured(crops: np.ndarray, drawn: Drawn, shift_images: int = 0) -> np.ndarray:
    """Cosines as `syncqc score` finds them; the sound is that of `shift_images` later."""
    stage = Score(min_windows=1)
    stage.open()
    n = len(crops) - 4
    first = first_mel_column(shift_images) - 1
    begin, end = reach(first, 115)
    at = slice(begin - drawn.begins_at, end - drawn.begins_at)
    columns, is_present = mel_columns(drawn.samples[at], np.ones(end - begin, np.bool_), MelFrontEnd())
    audio, _ = stage.embed_audio(Mel(columns, first, is_present), shift_images, n)
    return np.asarray((stage.embed_video(crops) * audio).sum(axis=1))


def test_cosines_are_those_that_score_measures(drawn: Drawn) -> None:
    sync_loss, samples = SyncLoss("ic-syncnet.small"), torch.from_numpy(drawn.samples)[None]
    by_crops = sync_loss.judge(as_images(drawn.crops), samples, sound_begins_at=drawn.begins_at)
    np.testing.assert_allclose(by_crops.cosine[0], measured(drawn.crops, drawn), atol=1e-4)
    # From whole pictures the crops are not rounded to bytes.
    by_faces = sync_loss.judge(as_images(drawn.pictures), samples, torch.from_numpy(drawn.landmarks)[None], sound_begins_at=drawn.begins_at)
    np.testing.assert_allclose(by_faces.cosine[0], by_crops.cosine[0], atol=0.005)


@pytest.mark.parametrize("against_shifts", [False, True], ids=["in sync", "against shifts"])
def test_lips_in_sync_cost_less_than_shifted_ones(drawn: Drawn, against_shifts: bool) -> None:
    sync_loss, crops, samples = (
        SyncLoss("ic-syncnet.small", against_shifts=against_shifts, w=6),
        as_images(drawn.crops),
        torch.from_numpy(drawn.samples),
    )
    losses = {shift: sync_loss(crops, samples[None], sound_begins_at=drawn.begins_at + shift * 640).item() for shift in (-10, -5, 0, 5, 10)}
    assert min(losses, key=lambda shift: losses[shift]) == 0
    assert losses[0] < min(losses[shift] for shift in losses if shift) - 0.2


def test_images_that_follow_the_loss_fit_the_sound_better(drawn: Drawn) -> None:
    """Gradient steps on crops whose sound is five images off raise the cosine that `syncqc score` measures on the bytes they become."""
    sync_loss, crops = SyncLoss("ic-syncnet.small"), as_images(drawn.crops).requires_grad_()
    samples, begins_at = torch.from_numpy(drawn.samples)[None], drawn.begins_at - 5 * 640
    before = measured(drawn.crops, drawn, 5).mean()
    optimiser = torch.optim.Adam([crops], lr=0.004)
    for _ in range(4):
        optimiser.zero_grad()
        sync_loss(crops, samples, sound_begins_at=begins_at).backward()
        optimiser.step()
    moved = (255 * crops.detach()[0].clamp(0, 1)).round().byte().permute(0, 2, 3, 1).numpy()
    assert np.abs(moved.astype(int) - drawn.crops).mean() < 5
    assert measured(moved, drawn, 5).mean() > before + 0.1
