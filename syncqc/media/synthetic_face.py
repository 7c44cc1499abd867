"""A face whose mouth can be opened, rounded, spread, shut and tucked, and whose head moves a little.

Knows nothing of speech or time. The texture is scikit-image's `astronaut`, a NASA portrait in the public domain that
lies in its wheel. It serves to check the chain from file to number; it never enters training and proves nothing about
real faces.

The portrait smiles. A mouth is drawn by pulling its lips apart or together column by column (the smile's teeth are cut
out), with cheeks, chin and upper lip following; between the lips a cavity with teeth and tongue is painted.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

# Where things are in the portrait, in its pixels.
_HEAD_XY = (226.0, 118.0)
_MOUTH_X, _MOUTH_HALF_WIDTH = 224.0, 20.9
_SEAM_Y, _CORNER_Y, _SMILE_CORNER_Y = 145.6, 142.4, 140.6
_NOSE_Y, _CHIN_Y, _COLLAR_Y = 131.0, 177.5, 199.0
_CHEEK_REACH = 36.0
_PATCH = (176, 126, 272, 200)
"""Left, top, right, bottom of what a mouth moves."""
_VIEW = 200.0
"""The shorter side of a picture shows this much of the portrait."""

# Edges of the lips in the portrait: distance from the corner to corner line's left end -1 ... right end 1, then y.
_AT = np.array([-1.0, -0.86, -0.67, -0.5, -0.33, -0.1, 0.1, 0.3, 0.5, 0.7, 0.85, 1.0])
_UPPER_INNER = np.array([140.0, 140.4, 141.6, 142.5, 143.2, 143.7, 143.7, 143.3, 142.5, 141.6, 141.0, 140.6])
_LOWER_INNER = np.array([140.3, 142.6, 146.3, 148.4, 149.4, 150.0, 150.1, 149.6, 148.5, 146.4, 143.3, 140.9])
_UPPER_THICKNESS = np.array([0.5, 1.0, 1.9, 2.4, 2.9, 2.9, 3.1, 3.3, 2.7, 2.0, 1.4, 0.6])
_LOWER_THICKNESS = np.array([0.5, 1.9, 3.2, 4.2, 4.8, 4.9, 4.8, 4.4, 3.5, 2.7, 1.5, 0.5])

_WIDEST_OPENING = 0.30
"""Lip distance at opening 1, as a share of the mouth's width at rest."""
_REST_WIDTH = 0.82
"""Width of the mouth at rest as a share of the smile's."""
_CONTRAST = 0.75
_CAVITY_RGB, _TEETH_RGB, _TONGUE_RGB = (42.0, 16.0, 16.0), (226.0, 216.0, 202.0), (158.0, 78.0, 76.0)


@dataclass(frozen=True)
class Mouth:
    """One position of the mouth."""

    opening: float = 0.0
    """Lip distance, 1 at the widest; below 0 the lips are pressed together."""
    width: float = 0.0
    """-1 round ... 1 spread."""
    tuck: float = 0.0
    """1: the lower lip touches the upper teeth."""
    tongue: float = 0.0
    """1: the tip of the tongue is seen behind the teeth."""


@dataclass(frozen=True)
class Pose:
    """One position of the head; shifts in shares of the picture's shorter side."""

    right: float = 0.0
    down: float = 0.0
    turn_rad: float = 0.0
    growth: float = 0.0


@dataclass(frozen=True)
class Look:
    """What tells one drawn person from another."""

    is_mirrored: bool = False
    is_tinted: bool = False
    zoom: float = 1.0


class Face:
    """A portrait of fixed size that can be drawn with any mouth and pose."""

    def __init__(self, width_px: int, height_px: int, look: Look | None = None) -> None:
        """Prepares all maps that do not depend on mouth or pose."""
        self.look = look or Look()
        self._portrait = _portrait(self.look.is_tinted)
        self._scale = min(width_px, height_px) / _VIEW * self.look.zoom
        self._left = _HEAD_XY[0] - width_px / 2 / self._scale
        self._top = _HEAD_XY[1] - height_px / 2 / self._scale
        xs, ys = self._grid(np.arange(width_px), np.arange(height_px))
        self._still = cv2.remap(self._portrait, xs, ys, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        self._place_patch(width_px, height_px)
        self._short_px = min(width_px, height_px)
        self._columns, self._rows = np.meshgrid(np.arange(width_px, dtype=np.float32), np.arange(height_px, dtype=np.float32))
        self._from_neck = (self._columns - width_px / 2, self._rows - height_px / 2 - 0.2 * self._short_px)
        distance = np.hypot((xs - _HEAD_XY[0]) * 1.1, ys - _HEAD_XY[1])
        self._follows = _fall(distance, 55.0, 98.0)

    def draw(self, mouth: Mouth, pose: Pose | None = None) -> U8:
        """The picture (height, width, 3), RGB."""
        pose = pose or Pose()
        image = self._still.copy()
        rows, columns = self._patch
        image[rows, columns] = self._mouth(mouth)
        dx, dy = self._from_neck
        right = self._follows * (pose.right * self._short_px + pose.growth * dx - pose.turn_rad * dy)
        down = self._follows * (pose.down * self._short_px + pose.growth * dy + pose.turn_rad * dx)
        image = cv2.remap(image, self._columns - right, self._rows - down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(image[:, ::-1] if self.look.is_mirrored else image, np.uint8)

    def _grid(self, columns: npt.NDArray[np.int_], rows: npt.NDArray[np.int_]) -> tuple[F32, F32]:
        """Portrait coordinates (rows, columns) of picture pixels."""
        x = self._left + (columns + 0.5) / self._scale - 0.5
        y = self._top + (rows + 0.5) / self._scale - 0.5
        xs, ys = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        return xs, ys

    def _place_patch(self, width_px: int, height_px: int) -> None:
        left, top, right, bottom = _PATCH
        x0, x1 = (int(np.clip(round((x - self._left) * self._scale), 0, width_px)) for x in (left, right))
        y0, y1 = (int(np.clip(round((y - self._top) * self._scale), 0, height_px)) for y in (top, bottom))
        self._patch = (slice(y0, y1), slice(x0, x1))
        self._x, self._y = self._grid(np.arange(x0, x1), np.arange(y0, y1))
        self._widens = np.where(self._y < 150.0, _fall(140.0 - self._y, 0.0, 13.0), _fall(self._y - 158.0, 0.0, 22.0))

    def _mouth(self, mouth: Mouth) -> F32:
        lips = _Lips(mouth, self._x)
        y = self._y
        # Columns: the mouth's width is scaled, the cheeks make room.
        from_middle = np.abs(self._x - _MOUTH_X)
        beyond = _MOUTH_HALF_WIDTH + (from_middle - lips.half) * (_CHEEK_REACH - _MOUTH_HALF_WIDTH) / (_CHEEK_REACH - lips.half)
        wanted = np.where(from_middle < lips.half, from_middle * _MOUTH_HALF_WIDTH / lips.half, beyond)
        wanted = np.where(from_middle < _CHEEK_REACH, wanted, from_middle)
        source_x = _MOUTH_X + np.sign(self._x - _MOUTH_X) * (from_middle + self._widens * (wanted - from_middle))
        # Rows: from the nose down to the upper lip's inner edge, and from the lower lip's inner edge down to the collar.
        above = _stretch(
            y,
            (_PATCH[1], _NOSE_Y, lips.upper - lips.thick_up, lips.upper),
            (_PATCH[1], _NOSE_Y, lips.was_upper - lips.was_thick_up, lips.was_upper),
        )
        below = _stretch(
            y,
            (lips.lower, lips.lower + lips.thick_low, _CHIN_Y + lips.chin_drop, _COLLAR_Y),
            (lips.was_lower, lips.was_lower + lips.was_thick_low, _CHIN_Y, _COLLAR_Y),
        )
        source_y = np.where(y < (lips.upper + lips.lower) / 2, above, below)
        source_y = y + _fall(from_middle, lips.half + 3.0, _CHEEK_REACH) * (source_y - y)
        skin = cv2.remap(
            self._portrait, source_x.astype(np.float32), source_y.astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
        ).astype(np.float32)
        return lips.paint(skin, y)


class _Lips:
    """Edges of the lips, one value per pixel of the patch: now, and in the portrait (`was_`)."""

    def __init__(self, mouth: Mouth, x: F32) -> None:
        opening, pressed = max(mouth.opening, 0.0), max(-mouth.opening, 0.0)
        rounding, spreading = max(-mouth.width, 0.0), max(mouth.width, 0.0)
        self.half = _MOUTH_HALF_WIDTH * (_REST_WIDTH - 0.32 * rounding + 0.14 * spreading - 0.08 * opening)
        self.across = np.clip((x - _MOUTH_X) / self.half, -1.0, 1.0)
        round_ = 1.0 - self.across**2
        self.seam = _CORNER_Y + (_SEAM_Y - _CORNER_Y) * round_
        distance = opening * _WIDEST_OPENING * 2 * _REST_WIDTH * _MOUTH_HALF_WIDTH * round_ ** (0.7 - 0.2 * rounding)
        tucked = mouth.tuck * round_
        self.upper = self.seam - 0.22 * distance * (1 - mouth.tuck) - 1.7 * tucked
        self.lower = self.seam + 0.78 * distance * (1 - mouth.tuck) + 0.7 * tucked
        self.chin_drop = 0.5 * float(distance.max()) * (1 - mouth.tuck) - 0.8 * pressed
        fullness = 1.0 - 1.6 * pressed + 0.6 * rounding - 0.2 * spreading
        edges = (_UPPER_INNER, _LOWER_INNER, _UPPER_THICKNESS, _LOWER_THICKNESS)
        self.was_upper, self.was_lower, self.was_thick_up, self.was_thick_low = (np.interp(self.across, _AT, edge) for edge in edges)
        self.thick_up = self.was_thick_up * (1.0 + 0.45 * fullness * round_)
        self.thick_low = self.was_thick_low * (1.0 + (0.35 * fullness - 0.5) * round_ - 0.3 * tucked)
        self.tongue, self.rounding = mouth.tongue, rounding

    def paint(self, skin: F32, y: F32) -> F32:
        """The skin (h, w, 3) with a dark line where the lips meet and, between them, teeth, tongue and cavity."""
        inside = np.abs(self.across) < 1.0
        depth_up, depth_low = y - self.upper, self.lower - y
        between = np.clip(depth_up + 0.5, 0, 1) * np.clip(depth_low + 0.5, 0, 1) * np.clip((self.lower - self.upper) / 0.8, 0, 1)
        near = np.minimum(np.abs(depth_up), np.abs(depth_low))
        line = 0.18 * np.exp(-((near / 0.75) ** 2)) * inside
        skin = skin * (1 - line)[..., None]
        return np.asarray(skin + (between * inside)[..., None] * (self._inner(y) - skin), np.float32)

    def _inner(self, y: F32) -> F32:
        """What is seen between the lips (h, w, 3)."""
        depth = y - self.upper
        gap = np.maximum(self.lower - self.upper, 0.5)
        colour = np.broadcast_to(_as_on_video(np.array(_CAVITY_RGB)).astype(np.float32), (*y.shape, 3))
        tongue_top = self.lower - (0.28 + 0.42 * self.tongue) * gap * (1 - 0.5 * self.across**2)
        tongue = np.clip(y - tongue_top, 0, 1) * (0.55 + 0.35 * self.tongue)
        colour = colour + tongue[..., None] * (_as_on_video(np.array(_TONGUE_RGB)).astype(np.float32) - colour)
        upper_edge = _SEAM_Y + 1.3 - 3.0 * self.across**2 - 1.6 * self.rounding
        lower_edge = self.lower - 0.7
        teeth = np.maximum(np.clip(upper_edge - y + 0.5, 0, 1), 0.85 * np.clip(y - lower_edge + 0.5, 0, 1))
        teeth = teeth * np.clip((0.78 - np.abs(self.across)) * 5, 0, 1)
        light = (0.95 - 0.6 * self.across**2) * (0.68 + 0.32 * np.clip(depth / 2.0, 0, 1))
        bright = _as_on_video(np.array(_TEETH_RGB)).astype(np.float32) * light[..., None]
        return np.asarray(colour + teeth[..., None] * (bright - colour), np.float32)


def _stretch(y: F32, now: tuple[F32 | float, ...], was: tuple[F32 | float, ...]) -> F32:
    """Where in the portrait each y comes from when the marks `was` have moved to `now`; beyond the ends the outer pieces go on."""
    result = np.empty_like(y)
    for i, (n0, n1, w0, w1) in enumerate(zip(now, now[1:], was, was[1:], strict=False)):
        slope = (w1 - w0) / np.maximum(n1 - n0, 1e-3)
        result = np.where((y >= n0) if i else True, w0 + (y - n0) * slope, result).astype(np.float32)
    return result


def _fall(distance: F32, full: float, none: float) -> F32:
    """1 up to `full`, 0 from `none` on, smooth between."""
    share = np.clip((distance - full) / (none - full), 0.0, 1.0)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * share), np.float32)


def _as_on_video(colour: npt.NDArray[np.generic]) -> U8:
    """The colour with the contrast of a camera instead of a printed portrait's."""
    return np.asarray(np.clip(_CONTRAST * (colour.astype(np.float32) - 128) + 108, 0, 255), np.uint8)


def _portrait(is_tinted: bool) -> U8:
    """The portrait (512, 512, 3), RGB; tinted: darker hair and skin."""
    sharp = np.asarray(skimage.data.astronaut(), np.uint8)
    portrait = _as_on_video(cv2.GaussianBlur(sharp, (0, 0), 0.8))
    if not is_tinted:
        return portrait
    mixed = portrait.astype(np.float32) @ np.array([[0.80, 0.10, 0.05], [0.15, 0.80, 0.15], [0.05, 0.10, 0.80]], np.float32)
    return np.asarray(255 * (mixed / 255) ** 1.5, np.uint8)
