"""A loss that is low where generated lips fit the sound, from any trained network: for generators as Wav2Lip trains them.

::

    sync_loss = SyncLoss("ic-syncnet.small").to(device)

    images = generator(...)                      # (batch, frames, 3, height, width), 0-1, 25 per second
    loss = sync_loss(images, sound, landmarks)   # sound (batch, frames * 640), 16 kHz, from the first image on
    (reconstruction + 0.03 * loss).backward()    # gradients reach the images, never the network

`pipelines/sync_loss_example.py` is a whole training in twenty lines. Knows no dataset and no file but the weights'.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from syncqc.clock import (
    DEFAULT_W,
    MEL_HOP_SAMPLES,
    N_MEL_BANDS,
    WINDOW_IMAGES,
    WINDOW_MEL,
    first_mel_column,
    n_windows,
)
from syncqc.faces.crop import CropShape
from syncqc.loaders.mouths import mouths
from syncqc.media.mel import MelFrontEnd, mel_tensor, reach
from syncqc.nets.checkpoint import LoadedNet, load
from syncqc.nets.losses import info_nce


@dataclass(frozen=True, eq=False)
class Judged:
    """The loss and what each window of five images gave to it."""

    loss: Tensor
    """A scalar."""
    cosine: Tensor
    """(batch, frames - 4), of each window's images and sound; NaN for a window that was left out. Gradients flow through it too."""
    tau: float

    @property
    def probability(self) -> Tensor:
        """(batch, frames - 4), that a window's images and sound are in sync; NaN for a window that was left out.

        Source: IC-SyncNet, Eq. 7.
        """
        return torch.sigmoid(self.cosine / self.tau)


class SyncLoss(nn.Module):
    """The mean over all windows of -log p(in sync), differentiable by the images; the network is frozen and stays in evaluation mode.

    With `against_shifts`, InfoNCE instead: the windows' own sound against that of up to `w` images earlier and later, so that lips are
    asked to fit their moment and not merely the voice. Only windows all of whose sound is there count, with the context that the network
    reads: up to four windows at each end of a stretch have no say unless sound around it is given. What the network reads on material in
    sync (its header's zero) counts as in sync.

    Source: IC-SyncNet, Eq. 7 (p = sigmoid(cosine / tau)) and Eq. 9 (InfoNCE); Prajwal et al., A Lip Sync Expert Is All You Need (2020),
    Eq. 2 (a frozen network as the judge of generated lips).
    """

    def __init__(self, model: str | LoadedNet, *, against_shifts: bool = False, w: int = DEFAULT_W, windows_at_once: int = 512) -> None:
        """`model` is a name, a path or a network that was loaded, of which a copy is taken.

        More than `windows_at_once` windows are embedded in chunks that are computed again in the backward pass: memory stays that of a
        chunk, at the price of one more forward pass.

        Raises:
            UsageError: no such model.
            ValueError: `w` or `windows_at_once` is below 1.
        """
        super().__init__()
        if w < 1 or windows_at_once < 1:
            raise ValueError(f"w and windows_at_once must be 1 or more, got {w = }, {windows_at_once = }")
        loaded = load(model) if isinstance(model, str) else model
        self.network = loaded.network if isinstance(model, str) else copy.deepcopy(loaded.network)
        self.network.eval().requires_grad_(False)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.header = loaded.header
        self.against_shifts, self.w, self.windows_at_once = against_shifts, w, windows_at_once
        self._front_end = MelFrontEnd(**(loaded.header.mel or {}))

    def train(self, mode: bool = True) -> SyncLoss:
        """Itself; the network stays in evaluation mode."""
        super().train(mode)
        self.network.eval()
        return self

    def forward(
        self,
        images: Tensor,
        sound: Tensor,
        landmarks: Tensor | None = None,
        *,
        sound_begins_at: int = 0,
        is_sound: Tensor | None = None,
        is_image: Tensor | None = None,
    ) -> Tensor:
        """The loss, a scalar; the arguments are those of `judge`."""
        return self.judge(images, sound, landmarks, sound_begins_at=sound_begins_at, is_sound=is_sound, is_image=is_image).loss

    def judge(
        self,
        images: Tensor,
        sound: Tensor,
        landmarks: Tensor | None = None,
        *,
        sound_begins_at: int = 0,
        is_sound: Tensor | None = None,
        is_image: Tensor | None = None,
    ) -> Judged:
        """The loss with the cosine and the probability of every window.

        `images` (batch, frames, 3, height, width) are RGB in 0-1 at 25 per second: mouth crops of the network's size, or, with
        `landmarks` (batch, frames, 5, 2) in their pixels, faces or whole pictures, from which the crops are taken as `faces.crop` does.
        `sound` is (batch, samples) in [-1, 1] at 16 kHz, or mel (batch, columns, 80) as `media.mel` makes it with the header's settings.
        `sound_begins_at` is the number of its first sample (or column), counted from the first image: -3200 where 0.2 s from before are
        given. `is_sound` (batch, samples or columns) and `is_image` (batch, frames) are False for what is padding or missing.

        Raises:
            ValueError: the shapes do not fit, or not one window has its sound.
        """
        crops = self._crops(images, landmarks)
        mel, is_full, first_column = self._mel(sound.to(images.device), sound_begins_at, is_sound)
        if len(mel) != len(crops):
            raise ValueError(f"images and sound must be of one batch, got {images.shape = }, {sound.shape = }")
        n, w = n_windows(crops.shape[1]), self.w if self.against_shifts else 0
        windows, has_sound = self._sound_windows(mel, is_full, first_column, n, w)
        # has_sound[:, j + r] is that of window j at shift r of 0 ... 2 w; w is its own moment.
        can_count = has_sound[:, w : w + n] & _whole_windows(is_image, crops)
        if w:
            can_count = can_count & (has_sound.unfold(1, 2 * w + 1, 1).sum(dim=2) > 1)
        batch, window = can_count.nonzero(as_tuple=True)
        if not len(batch):
            raise ValueError("not one window has its images and all of its sound: give more images, or sound from before and after them")
        audio = self._embed_audio(windows, has_sound)
        video = self._embed_video(crops, batch, window)
        shift = torch.arange(2 * w + 1, device=batch.device)
        cosine = (video[:, None] * audio[batch[:, None], window[:, None] + shift]).sum(dim=2)
        logits = (cosine / self.header.tau).masked_fill(~has_sound[batch[:, None], window[:, None] + shift], -torch.inf)
        own = logits[:, w]
        loss = info_nce(own, torch.cat([logits[:, :w], logits[:, w + 1 :]], dim=1)) if w else F.softplus(-own).mean()
        nowhere = torch.full(can_count.shape, torch.nan, dtype=cosine.dtype, device=cosine.device)
        return Judged(loss, nowhere.index_put((batch, window), cosine[:, w]), self.header.tau)

    @property
    def _precision(self) -> torch.dtype:
        return next(self.network.parameters()).dtype

    def _crops(self, images: Tensor, landmarks: Tensor | None) -> Tensor:
        """Mouths (batch, frames, 3, height, width) as the network takes them."""
        config = self.network.config
        shape = CropShape(config.height_px, config.width_px)
        if images.ndim != 5 or images.shape[2] != 3 or images.shape[1] < WINDOW_IMAGES or not images.is_floating_point():
            raise ValueError(
                f"images must be floats (batch, {WINDOW_IMAGES} or more, 3, height, width), got {images.shape = }, {images.dtype = }"
            )
        images = images.to(self._precision)
        if landmarks is not None:
            if landmarks.shape != (*images.shape[:2], 5, 2):
                raise ValueError(f"landmarks must be (batch, frames, 5, 2), got {images.shape = }, {landmarks.shape = }")
            crops = mouths(images.flatten(0, 1), landmarks.flatten(0, 1), shape)
            return crops.reshape(*images.shape[:2], *crops.shape[1:])
        if images.shape[3:] != (shape.height_px, shape.width_px):
            raise ValueError(
                f"mouth crops must be {shape.height_px} x {shape.width_px}, got {images.shape = }; other images need landmarks"
            )
        return images

    @torch.no_grad()
    def _mel(self, sound: Tensor, begins_at: int, is_sound: Tensor | None) -> tuple[Tensor, Tensor, int]:
        """Mel (batch, columns, 80), which columns are all sound (batch, columns), and the number of the first column."""
        if sound.ndim not in (2, 3) or sound.shape[2:] not in ((), (N_MEL_BANDS,)) or not sound.is_floating_point():
            raise ValueError(
                f"sound must be floats (batch, samples) or (batch, columns, {N_MEL_BANDS}), got {sound.shape = }, {sound.dtype = }"
            )
        is_sound = torch.ones(sound.shape[:2], dtype=torch.bool, device=sound.device) if is_sound is None else is_sound.to(sound.device)
        if is_sound.shape != sound.shape[:2]:
            raise ValueError(f"is_sound must be (batch, samples or columns), got {sound.shape = }, {is_sound.shape = }")
        if sound.ndim == 3:
            return sound.to(self._precision), is_sound, begins_at
        first_column = -((reach(0, 1)[0] - begins_at) // MEL_HOP_SAMPLES)
        begin, end = reach(first_column, 1)
        if sound.shape[1] < end - begins_at:
            raise ValueError(f"there is too little sound for one mel column, got {sound.shape = }")
        is_full = is_sound[:, begin - begins_at :].unfold(1, end - begin, MEL_HOP_SAMPLES).all(dim=2)
        # The numbers of the front end span five orders of magnitude: never in half precision.
        with torch.autocast(sound.device.type, enabled=False):
            mel = mel_tensor(sound[:, begin - begins_at :].to(torch.promote_types(self._precision, torch.float32)), self._front_end)
        return mel.to(self._precision), is_full, first_column

    def _sound_windows(self, mel: Tensor, is_full: Tensor, first_column: int, n: int, w: int) -> tuple[Tensor, Tensor]:
        """The sound of windows -w ... n - 1 + w (batch, n + 2 w, 32, 80), and which have all the sound that the network reads."""
        numbers = range(-w - self.header.zero_offset_frames, n + w - self.header.zero_offset_frames)
        starts = torch.tensor([first_mel_column(j, self.header.mel_rounding) - first_column for j in numbers], device=mel.device)
        columns = starts[:, None] + torch.arange(WINDOW_MEL, device=mel.device)
        is_given = (columns >= 0) & (columns < mel.shape[1])
        columns = columns.clamp(0, mel.shape[1] - 1)
        unread = (WINDOW_MEL - self.network.config.mel_columns) // 2
        has_sound = (is_full[:, columns] & is_given)[:, :, unread : WINDOW_MEL - unread].all(dim=2)
        return mel[:, columns], has_sound

    @torch.no_grad()
    def _embed_audio(self, windows: Tensor, has_sound: Tensor) -> Tensor:
        """Embeddings (batch, n + 2 w, embedding), zeros where there is no sound."""
        wanted = windows[has_sound][:, None]
        found = torch.cat([self.network.embed_audio(chunk) for chunk in torch.split(wanted, self.windows_at_once)])
        embeddings = found.new_zeros((*has_sound.shape, found.shape[1]))
        embeddings[has_sound] = found
        return embeddings

    def _embed_video(self, crops: Tensor, batch: Tensor, window: Tensor) -> Tensor:
        """Embeddings (len(batch), embedding) of those windows."""
        chunks = list(zip(torch.split(batch, self.windows_at_once), torch.split(window, self.windows_at_once), strict=True))
        if len(chunks) == 1:
            return self._embed_chunk(crops, batch, window)
        return torch.cat([_again_in_backward(self._embed_chunk, crops, *chunk) for chunk in chunks])

    def _embed_chunk(self, crops: Tensor, batch: Tensor, window: Tensor) -> Tensor:
        # (chunk, 3, height, width, 5) -> (chunk, 15, height, width): images in order, colours of each together.
        windows = crops.unfold(1, WINDOW_IMAGES, 1)[batch, window].permute(0, 4, 1, 2, 3).flatten(1, 2)
        return self.network.embed_video(windows.contiguous(memory_format=torch.channels_last))


def _whole_windows(is_image: Tensor | None, crops: Tensor) -> Tensor:
    """(batch, frames - 4), whether all five images are there."""
    if is_image is None:
        is_image = torch.ones(crops.shape[:2], dtype=torch.bool, device=crops.device)
    if is_image.shape != crops.shape[:2]:
        raise ValueError(f"is_image must be (batch, frames), got {is_image.shape = } for images {tuple(crops.shape[:2])}")
    return is_image.to(crops.device).unfold(1, WINDOW_IMAGES, 1).all(dim=2)


def _again_in_backward(embed: Callable[..., Tensor], *given: Tensor) -> Tensor:
    """What `embed` gives; nothing on the way is kept for the backward pass, which computes it again."""
    found: Tensor = checkpoint(embed, *given, use_reentrant=False, preserve_rng_state=False)
    return found
