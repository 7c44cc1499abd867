"""Mouth crops as a short H.264 stream, and back: bytes without a container, one stream per face track.

Knows nothing of faces. One key frame, the first image: a track is at most a part (5 s) long and is read as a whole, and further
key frames would cost a fifth more bytes and would come at regular places in time, which a network can learn to see.
"""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from syncqc.clock import IMAGE_RATE_HZ

U8 = npt.NDArray[np.uint8]

MAX_CRF = 51
_START_CODE = b"\0\0\1"
_SEI = 6


class DamagedStreamError(ValueError):
    """Bytes that should hold a stream hold another one, or none."""


def encoded_crops(crops: U8, crf: int) -> bytes:
    """An H.264 stream (Annex B, 4:2:0, 25 fps) of the crops (n, height, width, 3), RGB, height and width even.

    The same crops give the same bytes: one thread, no note of the encoder's, and no macroblock tree, whose x264 code for pictures
    this narrow reads memory that was never written. (At 5 KB/s that costs 0.2 dB.)
    """
    codec = av.CodecContext.create("libx264", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.height, codec.width, codec.pix_fmt = crops.shape[1], crops.shape[2], "yuv420p"
    codec.framerate, codec.time_base = Fraction(IMAGE_RATE_HZ), Fraction(1, IMAGE_RATE_HZ)
    codec.thread_count = 1
    codec.options = {"crf": str(crf), "preset": "medium", "x264-params": "keyint=infinite:scenecut=0:mbtree=0"}
    reformatter = VideoReformatter()
    packets = []
    for number, crop in enumerate(crops):
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(crop), format="rgb24")
        frame = reformatter.reformat(rgb, format="yuv420p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG)
        frame.pts, frame.time_base = number, codec.time_base
        packets += codec.encode(frame)
    packets += codec.encode(None)
    return _without_notes(b"".join(bytes(packet) for packet in packets))


def decoded_crops(stream: bytes, n_images: int, height_px: int, width_px: int) -> U8:
    """The crops (n_images, height, width, 3), RGB, of a stream that holds exactly so many.

    Raises:
        DamagedStreamError: it cannot be decoded, or holds another number of images or ones of another size.
    """
    codec = av.CodecContext.create("h264", "r")
    assert isinstance(codec, av.VideoCodecContext)
    codec.thread_count = 1
    reformatter = VideoReformatter()
    crops = np.empty((n_images, height_px, width_px, 3), np.uint8)
    count = 0
    try:
        for packet in (*codec.parse(stream), *codec.parse(None), None):
            for frame in codec.decode(packet):
                if (frame.height, frame.width) != (height_px, width_px):
                    raise DamagedStreamError(f"the images are {frame.width}x{frame.height}, not {width_px}x{height_px}")
                if count < n_images:
                    rgb = reformatter.reformat(frame, format="rgb24", src_colorspace=Colorspace.ITU601, src_color_range=ColorRange.MPEG)
                    crops[count] = rgb.to_ndarray()
                count += 1
    except av.error.FFmpegError as error:
        raise DamagedStreamError(f"image {count} cannot be decoded ({error.strerror})") from error
    if count != n_images:
        raise DamagedStreamError(f"{count} images can be decoded, not {n_images}")
    return crops


def _without_notes(stream: bytes) -> bytes:
    """The stream without the encoder's note of its settings (SEI), 0.7 KB at the head of each."""
    head, *units = stream.split(_START_CODE)
    return _START_CODE.join([head, *(unit for unit in units if unit[0] & 31 != _SEI)])
