"""What a loader gives: how the sound is shifted, what the images show, how long a stretch is.

Knows neither files nor how they are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from syncqc.errors import UsageError, unknown_name
from syncqc.faces.crop import CropShape
from syncqc.media.mel import MelFrontEnd

Offset = Literal["clip", "row", "none"]
Rows = Literal["chosen", "measured"]
View = Literal["picture", "face", "none"]
Position = Literal["random", "centre", "start"]
OnError = Literal["raise", "skip"]


@dataclass(frozen=True)
class LoaderSettings:
    """How items are made from the rows of a manifest.

    Raises:
        UsageError: a value is unknown or out of its range.
    """

    offset: Offset = "clip"
    """Which measured offset the sound is put right by: the whole clip's, the row's own, or none."""
    rows: Rows = "chosen"
    """The chosen track of each part, or every measured track: also the faces of those who listen."""

    n_images: int | None = None
    """Items are stretches of so many images; shorter rows are left out and counted. None: whole rows."""
    position: Position = "random"
    """Where in its row a stretch of `n_images` lies; drawn from seed, epoch and row."""
    seed: int = 0

    images: View = "picture"
    """What `images` shows: the whole picture, the row's face, or there are none."""
    size_px: tuple[int, int] | None = None
    """Height and width of `images`. A whole picture is scaled until it covers them and cut evenly; None: as it was measured."""
    face_margin: float = 1.3
    """How much wider than the face's box the face is cut."""
    max_short_side_px: int = 720
    """Larger pictures are reduced to this before anything is cut from them, as they were when they were measured."""

    crops: bool = False
    """Also `crops`: mouths as the networks see them, from the stored landmarks."""
    crop_height_px: int = 48
    crop_width_px: int = 96
    crop_margin: float = 1.0
    landmarks: bool = False
    """Also `landmarks`: five points per image in the pixels of `images`."""
    smooth_images: float = 2.0
    """Standard deviation of the smoothing of landmarks and boxes along time, in images."""

    sound_context_images: int = 0
    """`sound` also holds so many images' time before the first image and after the last one."""
    mel: MelFrontEnd | None = None
    """Also `mel`, made so."""

    moved: tuple[tuple[str, str], ...] = ()
    """Folders that are elsewhere than when the manifest was made, each as (then, now); the first that fits a path counts."""
    on_error: OnError = "raise"
    """A file that cannot be read ends the iteration, or is left out, logged and counted."""
    n_threads: int = 1
    """Threads that decode one file's pictures."""

    def __post_init__(self) -> None:
        """Refuses what cannot be."""
        choices = {"offset": Offset, "rows": Rows, "position": Position, "images": View, "on_error": OnError}
        for name, known in choices.items():
            if getattr(self, name) not in get_args(known):
                raise unknown_name(name, str(getattr(self, name)), get_args(known))
        sizes = {"crop_height_px": self.crop_height_px, "crop_width_px": self.crop_width_px, "max_short_side_px": self.max_short_side_px}
        sizes |= {"n_threads": self.n_threads, **({} if self.n_images is None else {"n_images": self.n_images})}
        for name, value in sizes.items():
            if value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}")
        if self.size_px is not None and min(self.size_px) < 1:
            raise UsageError(f"size_px is a height and a width of at least 1, not {self.size_px}")
        if self.images == "face" and self.size_px is None:
            raise UsageError("faces need size_px, a height and a width: each face has its own size in the picture")
        if self.face_margin <= 0 or self.crop_margin <= 0 or self.smooth_images < 0 or self.sound_context_images < 0:
            raise UsageError("face_margin and crop_margin must be above 0, smooth_images and sound_context_images at least 0")
        if self.landmarks and self.images == "none":
            raise UsageError("landmarks are points in `images`, and images are 'none'")

    @property
    def crop_shape(self) -> CropShape:
        """Size and margin of the mouth crops."""
        return CropShape(self.crop_height_px, self.crop_width_px, self.crop_margin)

    @property
    def needs_pictures(self) -> bool:
        """Whether pictures are decoded at all."""
        return self.images != "none" or self.crops

    @property
    def needs_faces(self) -> bool:
        """Whether the stored boxes and landmarks are read."""
        return self.images == "face" or self.crops or self.landmarks


DEFAULTS = LoaderSettings()
