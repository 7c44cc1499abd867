"""One line per column of the manifest: name, Arrow type, unit and meaning, and the stage that writes it.

Units are in the names (``_s _ms _frames _px _hz``), shares are 0-1, and null always means "not measured".
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from syncqc.clock import SIGN_IN_WORDS

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class Column:
    """One column: its name, its Arrow type, its meaning with the unit, and the stage that writes it."""

    name: str
    type: pa.DataType
    meaning: str
    by: str


_STR, _INT, _FLOAT, _BOOL = pa.string(), pa.int32(), pa.float32(), pa.bool_()
_TIME = pa.float64()
_INTERVALS = pa.list_(pa.struct([pa.field("start_s", pa.float64()), pa.field("end_s", pa.float64())]))

# One line per column, however long.
# fmt: off

# who
CLIP_ID = Column("clip_id", _STR, "path relative to the scored folder, without suffix, with forward slashes", "list")
PATH = Column("path", _STR, "the video file as it was found", "list")
AUDIO_PATH = Column("audio_path", _STR, "the file the sound came from where it is not the video itself", "list")
AUDIO_START_S = Column("audio_start_s", _TIME, "time in the file of `audio_path` that belongs to the start of the video file; null where that is 0", "list")
DATASET = Column("dataset", _STR, "name of the dataset", "list")
SPLIT = Column("split", _STR, "the dataset's own split that the clip is in", "list")
SPEAKER = Column("speaker", _STR, "speaker label where the dataset's layout gives one", "list")
PART_INDEX = Column("part_index", _INT, "which of the clip's equal parts of at most 5 s, from 0", "read")
N_PARTS = Column("n_parts", _INT, "into how many parts the clip was cut", "read")
TRACK_INDEX = Column("track_index", _INT, "which face track of the part, from 0, largest first; null without a face", "find_faces")
START_S = Column("start_s", _TIME, "where the row begins, s after the first image shown", "read")
END_S = Column("end_s", _TIME, "where the row ends (one past its last image), s after the first image shown", "read")
N_IMAGES = Column("n_images", _INT, "images at 25 per second in this row", "read")
IS_CHOSEN_TRACK = Column("is_chosen_track", _BOOL, "the face that the dataset's list points at, else the best-synced track of its part; says nothing about whether anyone speaks", "pool")

# container
CONTAINER_FORMAT = Column("container_format", _STR, "container as FFmpeg names it", "read")
VIDEO_CODEC = Column("video_codec", _STR, "picture codec as FFmpeg names it", "read")
AUDIO_CODEC = Column("audio_codec", _STR, "sound codec as FFmpeg names it", "read")
WIDTH_PX = Column("width_px", _INT, "picture width as shown (after rotation)", "read")
HEIGHT_PX = Column("height_px", _INT, "picture height as shown (after rotation)", "read")
SOURCE_FPS = Column("source_fps", _FLOAT, "mean pictures per second in the file", "read")
IS_VFR = Column("is_vfr", _BOOL, "the distances between pictures vary by more than a tick", "read")
ROTATION_DEG = Column("rotation_deg", _INT, "rotation the container asks players for, counter-clockwise", "read")
KEY_FRAME_GAP_FRAMES = Column("key_frame_gap_frames", _FLOAT, "mean distance between key frames; null with fewer than two", "read")
SOURCE_AUDIO_RATE_HZ = Column("source_audio_rate_hz", _INT, "sound rate in the file", "read")
SOURCE_AUDIO_CHANNELS = Column("source_audio_channels", _INT, "sound channels in the file", "read")
DURATION_S = Column("duration_s", _TIME, "length of the picture track as shown", "read")
AUDIO_DURATION_S = Column("audio_duration_s", _TIME, "length of the sound track, from `audio_start_s` on where that is given", "read")
AV_START_GAP_MS = Column("av_start_gap_ms", _FLOAT, "start of the sound minus the first image shown; > 0: the sound starts later", "read")

# face
FACE_SHARE = Column("face_share", _FLOAT, "share of the part's images on which this track has a face", "find_faces")
FACE_WIDTH_PX = Column("face_width_px", _FLOAT, "median width of the face box in pixels of the shown picture", "find_faces")
N_TRACKS = Column("n_tracks", _INT, "face tracks in this part", "find_faces")
LISTED_FACE_X = Column("listed_face_x", _FLOAT, "where the dataset's list says that the face is: its centre as a share of the picture's width", "list")
LISTED_FACE_Y = Column("listed_face_y", _FLOAT, "the same, as a share of the picture's height from the top", "list")
IS_LISTED_FACE = Column("is_listed_face", _BOOL, "the track is the face that the dataset's list points at; null where it points at none", "find_faces")
N_SHOT_CUTS = Column("n_shot_cuts", _INT, "shot cuts inside this part", "find_faces")

# sync
OFFSET_FRAMES = Column("offset_frames", _INT, f"offset in images of 1/25 s, the checkpoint's own zero taken off; {SIGN_IN_WORDS}", "score")
OFFSET_MS = Column("offset_ms", _FLOAT, f"offset in milliseconds; {SIGN_IN_WORDS}", "score")
IS_OFFSET_AT_EDGE = Column("is_offset_at_edge", _BOOL, "the best shift is the first or last one searched, also after searching 2 w", "score")
MARGIN = Column("margin", _FLOAT, "best mean cosine minus the median over the shifts", "score")
PROBABILITY_AT_OFFSET = Column("probability_at_offset", _FLOAT, "the paper's: sigmoid of the mean over windows of the best cosine within 1 of the offset, over tau", "score")
PROBABILITY_IN_SYNC = Column("probability_in_sync", _FLOAT, "calibrated: of segments with this value that share belongs together (prior one half)", "score")
OFFSCREEN_RATIO = Column("offscreen_ratio", _FLOAT, "share of the measured windows in which, judged together, the face is not the speaker; what is outside `onscreen`", "score")
ONSCREEN = Column("onscreen", _INTERVALS, "stretches in which the face is the speaker, s after the first image shown", "score")
SIMILARITY = Column("similarity", pa.list_(_FLOAT), "mean cosine per shift r = 0 ... 2 w, offset = w - r - zero; null where fewer than half the windows count", "score")
N_WINDOWS = Column("n_windows", _INT, "windows of five images that were compared", "score")

# clip
CLIP_OFFSET_FRAMES = Column("clip_offset_frames", _INT, f"offset of the whole clip, voted by the chosen tracks of confident parts; {SIGN_IN_WORDS}", "pool")
CLIP_PROBABILITY_IN_SYNC = Column("clip_probability_in_sync", _FLOAT, "probability_in_sync pooled over the chosen tracks of confident parts", "pool")
IS_OFFSET_DRIFTING = Column("is_offset_drifting", _BOOL, "confident parts differ by more than one image", "pool")

# content
SPEECH_RATIO = Column("speech_ratio", _FLOAT, "share of the row in which there is a voice", "listen")
FROZEN_RATIO = Column("frozen_ratio", _FLOAT, "share of the part's images that stand still for at least 0.4 s", "read")
FROZEN_START_S = Column("frozen_start_s", _TIME, "for how long the part's picture stands still from its beginning on, s", "read")

# dataset
DATASET_OFFSET_FRAMES = Column("dataset_offset_frames", _INT, f"offset that the dataset itself gives for the clip; {SIGN_IN_WORDS}", "list")

# artefacts: how the file is coded
VIDEO_PROFILE = Column("video_profile", _STR, "profile of the picture codec as FFmpeg names it; null where the file names none", "read")
VIDEO_TAG = Column("video_tag", _STR, "four characters by which the container names the picture codec, for instance XVID", "read")
VIDEO_ENCODER = Column("video_encoder", _STR, "what wrote the pictures, as their own bytes say, else the track's header; null where neither says", "read")
VIDEO_BIT_RATE_KBPS = Column("video_bit_rate_kbps", _FLOAT, "size of the pictures over their length, kbit/s", "read")
KEY_FRAME_SPREAD_FRAMES = Column("key_frame_spread_frames", _FLOAT, "standard deviation of the distances between key frames; null with fewer than three", "read")
GOP_IS_REGULAR = Column("gop_is_regular", _BOOL, "nine in ten distances between key frames are the same and more than one; null with fewer than three key frames", "read")
GOP_IS_OPEN = Column("gop_is_open", _BOOL, "pictures shown before a key frame lean on some from before it; null with fewer than two key frames", "read")
HAS_B_FRAMES = Column("has_b_frames", _BOOL, "some pictures are coded from earlier and later ones (B)", "read")
I_FRAME_SHARE = Column("i_frame_share", _FLOAT, "share of pictures coded by themselves (I), by the first slice of each", "read")
P_FRAME_SHARE = Column("p_frame_share", _FLOAT, "share of pictures coded from one direction (P), by the first slice of each", "read")
B_FRAME_SHARE = Column("b_frame_share", _FLOAT, "share of pictures coded from two directions (B), by the first slice of each", "read")
FRAME_TYPES_DETAIL = Column("frame_types_detail", _STR, "why the shares of I, P and B are null", "read")
AUDIO_PROFILE = Column("audio_profile", _STR, "profile of the sound codec as FFmpeg names it; null where the file names none", "read")
AUDIO_BIT_RATE_KBPS = Column("audio_bit_rate_kbps", _FLOAT, "size of the sound over its length, kbit/s", "read")
AUDIO_PRIMING_SAMPLES = Column("audio_priming_samples", _INT, "samples in the file before the first one that players are asked to play", "read")
AUDIO_BLOCK_START_MS = Column("audio_block_start_ms", _FLOAT, "where one of AAC-LC's blocks of 1024 samples begins, ms after the first image shown; null for other codecs", "read")

# artefacts: what coding left in the sound
AUDIO_LEAK_RISK = Column("audio_leak_risk", _STR, "none, low, medium or high by codec and rate as in SparseSync's Table 1; null for lossy codecs that it does not have", "sound_traces")
AUDIO_BLOCK_TRACE = Column("audio_block_trace", _FLOAT, "how much emptier AAC's transform of the 16 kHz sound is where the file's blocks lie, in standard deviations of elsewhere; null where it is no AAC-LC", "sound_traces")
AUDIO_RHYTHM = Column("audio_rhythm", _FLOAT, "how far changes at the rhythm of AAC's blocks stand out in the 16 kHz sound, in standard deviations of nearby rhythms; null under 2.5 s", "sound_traces")
AUDIO_RHYTHM_RATE_HZ = Column("audio_rhythm_rate_hz", _INT, "the rate of AAC, now or earlier, whose rhythm stands out most", "sound_traces")
AUDIO_BAND_LIMIT_HZ = Column("audio_band_limit_hz", _FLOAT, "above this the spectrum falls off a cliff, up to 7.2 kHz; null: no such cliff", "sound_traces")
CLIPPED_RATIO = Column("clipped_ratio", _FLOAT, "share of the part's sound at 0.99 of full scale or beyond", "sound_traces")
DIGITAL_SILENCE_RATIO = Column("digital_silence_ratio", _FLOAT, "share of the part's sound in stretches of 10 ms or more below half a step of 16 bits", "sound_traces")
LEAK_AUDIO = Column("leak_audio", _BOOL, "the 16 kHz sound changes at the rhythm of AAC's blocks more than 99 % of uncoded sound does; null: not measured", "sound_traces")
LEAK_AUDIO_REASON = Column("leak_audio_reason", _STR, "why `leak_audio` is true, or why it is null; null where it is false", "sound_traces")

# artefacts: what coding left in the pictures
GHOST_PERIOD_FRAMES = Column("ghost_period_frames", _FLOAT, "what comes back in still areas comes every so many pictures of the file (of 1/25 s where its pictures come unevenly); judged from the clip's minute up to the end of this part", "find_ghosts")
GHOST_STRENGTH = Column("ghost_strength", _FLOAT, "how far that stands above what the same changes in random order reach, in their standard deviations", "find_ghosts")
GHOST_P_VALUE = Column("ghost_p_value", _FLOAT, "probability of at least that strength where the order means nothing, over all periods of 6-60 pictures together", "find_ghosts")
REPEATED_SHARE = Column("repeated_share", _FLOAT, "share of the part's images that equal the one before although the file has another picture there; null for uneven pictures", "find_ghosts")
LEAK_VIDEO = Column("leak_video", _BOOL, "key frames at even distances, the file's own or an earlier coding's, can be told from the clip's pictures; null: not measured", "judge_ghosts")
LEAK_VIDEO_REASON = Column("leak_video_reason", _STR, "why `leak_video` is true, or why it is null; null where it is false", "judge_ghosts")

# filter
DROPPED_BY = Column("dropped_by", _STR, "the first rule of `syncqc filter` that the row did not meet; null where it was kept or never filtered", "filter")

# resync
RESYNC_STATUS = Column("resync_status", _STR, "what `syncqc resync` did with the clip, or why nothing; null before it", "resync")
RESYNC_SHIFT_FRAMES = Column("resync_shift_frames", _INT, "by how many images of 1/25 s the sound was delayed (< 0: brought forward)", "resync")
RESYNC_PAD_S = Column("resync_pad_s", _TIME, "silence that was put in because there was no sound: > 0 so long at the beginning, < 0 at the end", "resync")
RESYNCED_PATH = Column("resynced_path", _STR, "the video file in which the clip is right; null where none was written", "resync")
RESYNCED_AUDIO_PATH = Column("resynced_audio_path", _STR, "the file with its sound where that is not the video itself", "resync")
RESIDUAL_OFFSET_FRAMES = Column("residual_offset_frames", _INT, f"offset of the written clip, measured again through another reader; null: not measured again; {SIGN_IN_WORDS}", "resync")

# why not
FAILURE = Column("failure", _STR, "why there are no sync numbers; null when measured", "any")
DETAIL = Column("detail", _STR, "one sentence about the failure, or about something unusual in the file", "any")

COLUMNS: tuple[Column, ...] = (
    CLIP_ID, PATH, AUDIO_PATH, AUDIO_START_S, DATASET, SPLIT, SPEAKER, PART_INDEX, N_PARTS, TRACK_INDEX, START_S, END_S, N_IMAGES, IS_CHOSEN_TRACK,
    CONTAINER_FORMAT, VIDEO_CODEC, AUDIO_CODEC, WIDTH_PX, HEIGHT_PX, SOURCE_FPS, IS_VFR, ROTATION_DEG, KEY_FRAME_GAP_FRAMES,
    SOURCE_AUDIO_RATE_HZ, SOURCE_AUDIO_CHANNELS, DURATION_S, AUDIO_DURATION_S, AV_START_GAP_MS,
    FACE_SHARE, FACE_WIDTH_PX, N_TRACKS, LISTED_FACE_X, LISTED_FACE_Y, IS_LISTED_FACE, N_SHOT_CUTS,
    OFFSET_FRAMES, OFFSET_MS, IS_OFFSET_AT_EDGE, MARGIN, PROBABILITY_AT_OFFSET, PROBABILITY_IN_SYNC, OFFSCREEN_RATIO, ONSCREEN,
    SIMILARITY, N_WINDOWS,
    CLIP_OFFSET_FRAMES, CLIP_PROBABILITY_IN_SYNC, IS_OFFSET_DRIFTING,
    SPEECH_RATIO, FROZEN_RATIO, FROZEN_START_S, DATASET_OFFSET_FRAMES,
    VIDEO_PROFILE, VIDEO_TAG, VIDEO_ENCODER, VIDEO_BIT_RATE_KBPS, KEY_FRAME_SPREAD_FRAMES, GOP_IS_REGULAR, GOP_IS_OPEN, HAS_B_FRAMES,
    I_FRAME_SHARE, P_FRAME_SHARE, B_FRAME_SHARE, FRAME_TYPES_DETAIL,
    AUDIO_PROFILE, AUDIO_BIT_RATE_KBPS, AUDIO_PRIMING_SAMPLES, AUDIO_BLOCK_START_MS,
    AUDIO_LEAK_RISK, AUDIO_BLOCK_TRACE, AUDIO_RHYTHM, AUDIO_RHYTHM_RATE_HZ, AUDIO_BAND_LIMIT_HZ, CLIPPED_RATIO, DIGITAL_SILENCE_RATIO, LEAK_AUDIO, LEAK_AUDIO_REASON,
    GHOST_PERIOD_FRAMES, GHOST_STRENGTH, GHOST_P_VALUE, REPEATED_SHARE, LEAK_VIDEO, LEAK_VIDEO_REASON,
    DROPPED_BY,
    RESYNC_STATUS, RESYNC_SHIFT_FRAMES, RESYNC_PAD_S, RESYNCED_PATH, RESYNCED_AUDIO_PATH, RESIDUAL_OFFSET_FRAMES,
    FAILURE, DETAIL,
)
# fmt: on

BY_NAME = {column.name: column for column in COLUMNS}


def schema() -> pa.Schema:
    """The Arrow schema of a manifest; every field carries its meaning in its metadata."""
    return pa.schema([pa.field(c.name, c.type, metadata={"meaning": c.meaning, "by": c.by}) for c in COLUMNS])


# The sidecar `<out>.tracks.parquet`: one line per detected image of a track, so that nobody needs to detect again.
TRACKS_SCHEMA = pa.schema(
    [
        pa.field("clip_id", _STR),
        pa.field("part_index", _INT),
        pa.field("track_index", _INT),
        pa.field("image", _INT, metadata={"meaning": "image of the clip at 25 per second, from 0"}),
        pa.field("box_px", pa.list_(_FLOAT, 4), metadata={"meaning": "left, top, right, bottom in pixels of the shown picture"}),
        pa.field(
            "landmarks_px", pa.list_(_FLOAT, 10), metadata={"meaning": "x, y of the eyes, nose and mouth corners, left ones first, as seen"}
        ),
        pa.field("confidence", _FLOAT, metadata={"meaning": "the detector's score, 0-1"}),
    ]
)
