"""Copies of a clip in which the sound lies where it should, written by ffmpeg, probed again, and whole or not there at all.

``bake``, the default, holds for every reader: the video packets are the source's, bit for bit, with their times, rotation, sample
aspect, chapters and metadata; the sound is decoded by presentation time, moved as PCM and encoded anew, from the first image shown to
the end of the last one. Image i is at i/fps and sample n at n/rate, whether one goes by presentation times, by index, by
``ffmpeg -i x -vn x.wav``, or ignores edit lists: MP4 needs none for the sound (see `resync_coding`) and is written so
(``negative_cts_offsets``) that B-frames need none either. One thing no copy can mend: where the source's own edit list hides
pictures at its head, as after a cut without encoding, who ignores edit lists still counts them; `Repaired.notes` says how many.

``remux`` moves timestamps and encodes nothing. Of a delay by 200 ms of AAC at 16 kHz in MP4, who goes by presentation time sees 200 ms;
who goes by index 64 ms (the priming, decoded as sound); who ignores edit lists nothing. Brought forward by 200 ms, all but the last see
it. In Matroska who goes by index sees neither. Sound in a file of its own, and parts, it cannot do.

AAC at 16 kHz is the default because AAC tells a network where in the file it is, the more the higher the rate, and because networks for
lips and voices hear 16 kHz. From noise alone a ResNet-18 guessed the start of a trim, of 50, at 86.7 % (44.1 kHz), 23.0 % (22.05 kHz),
6.3 % (16 kHz) and 2.9 % (lossless). Of what is written here a small network guessed 14.2 %, 5.1 %, 1.9 % and 1.4 % (``reports/aac-leak``).
Who looks for AAC's grid finds it at every rate; ``flac`` and ``pcm`` have none.

Source: Iashin et al., "Sparse in Space and Time" (BMVC 2022), Table 1.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from syncqc.errors import UsageError
from syncqc.manifest.aside import written_aside
from syncqc.media.container import open_container, packets, picture_stream
from syncqc.media.mux import feed_ffmpeg, run_ffmpeg
from syncqc.media.repair import (
    Given,
    Repair,
    Repaired,
    check_out_suffix,
    check_sidecar,
    check_written,
    given,
    ms,
    output,
    pad_s,
    refuse_source,
    sidecar_codec,
    sound_notes,
    track_notes,
)
from syncqc.media.resync_cut import cut_part

__all__ = ["Repair", "Repaired", "check_out_suffix", "cut_part", "repair_sidecar", "repair_video"]

_NO_REMUX = "remux moves the times of a sound inside the video; this one is in a file of its own: bake it"


def repair_video(source: Path, out: Path, repair: Repair, sidecar: Path | None = None, sidecar_start_s: float = 0.0) -> Repaired:
    """`out`: the source's picture track, bit for bit, and one sound track, shifted and as long as the pictures.

    The sound is the source's first track that can be decoded, or the sidecar's, of which `sidecar_start_s` belongs to the start of the
    source. More than two channels are mixed to two. Other tracks are left out. AAC comes in blocks of 1024 samples: of those the
    nearest number is written, so at 16 kHz the sound ends at most 32 ms before or after the pictures. The same input gives the same bytes.
    `out`'s folder must be there; a file at `out` is replaced once the new one is whole.

    Raises:
        UsageError: `out` is the source, its suffix cannot hold the codec, or a sidecar is to be remuxed.
        ClipError: the source cannot be read or has no sound.
        MuxError: ffmpeg failed, or what it wrote is not what was asked for.
    """
    check_out_suffix(out.suffix, repair)
    refuse_source(out, source, sidecar)
    if repair.mode == "remux" and sidecar is not None:
        raise UsageError(_NO_REMUX)
    clip = given(source, sidecar, sidecar_start_s)
    if repair.mode == "remux":
        return _remuxed(clip, out, repair)
    coding = clip.coding(repair, repair.audio_codec)
    placed = clip.placed(repair, coding, Fraction(0), clip.facts.duration_s)
    with written_aside(out, keeps_suffix=True) as aside:
        arguments = ["-copyts", *_shifted_input(source, -clip.facts.zero_s), *coding.input_arguments("pipe:0"), *_tracks(clip, "1:a:0")]
        feed_ffmpeg([*arguments, "-c:v", "copy", *coding.output_arguments(), *output(aside)], coding.fed(placed.pieces()))
        check_written(aside, clip.facts.duration_s, Fraction(placed.n_samples, coding.rate_hz))
        hidden = _hidden_notes(aside)
    return Repaired(
        out, None, pad_s(placed, repair), (*clip.own.notes, *track_notes(source), *sound_notes(placed, repair, coding), *hidden)
    )


def repair_sidecar(source: Path, sidecar: Path, out_sidecar: Path, repair: Repair, sidecar_start_s: float = 0.0) -> Repaired:
    """`out_sidecar`: the sound of the clip alone, shifted, its time 0 at the start of the source; the source stays as it is.

    Of a sidecar that holds more than the clip only the clip's stretch is written. Where the suffix cannot hold the codec asked for, it is
    the suffix's own: ``.wav`` PCM, ``.flac`` FLAC, ``.m4a`` AAC; a rate asked for holds for it too.

    Raises:
        UsageError: `out_sidecar` is an input, its suffix is unknown, or the mode is remux.
        ClipError: the files cannot be read or there is no sound.
        MuxError: ffmpeg failed, or what it wrote is not what was asked for.
    """
    if repair.mode == "remux":
        raise UsageError(_NO_REMUX)
    codec = sidecar_codec(out_sidecar.suffix, repair)
    refuse_source(out_sidecar, source, sidecar)
    clip = given(source, sidecar, sidecar_start_s)
    coding = clip.coding(repair, codec)
    late_s = clip.facts.zero_s - clip.facts.container_start_s
    placed = clip.placed(repair, coding, -late_s, clip.facts.duration_s + late_s)
    with written_aside(out_sidecar, keeps_suffix=True) as aside:
        arguments = [*coding.input_arguments("pipe:0"), "-map", "0:a:0", *coding.output_arguments(), *output(aside)]
        feed_ffmpeg(arguments, coding.fed(placed.pieces()))
        check_sidecar(source, aside, late_s, Fraction(placed.n_samples, coding.rate_hz))
    notes = [*clip.own.notes, *sound_notes(placed, repair, coding)]
    if late_s > 0:
        notes.append(f"the first image is shown {ms(late_s)} after the start of its file: who goes by index hears that much late")
    return Repaired(source, out_sidecar, pad_s(placed, repair), tuple(notes))


def _shifted_input(source: Path, by_s: Fraction) -> list[str]:
    """The source as an input of ffmpeg, moved in time."""
    return [*(["-itsoffset", f"{float(by_s):.6f}"] if by_s else []), "-i", f"file:{source}"]


def _tracks(clip: Given, sound: str) -> list[str]:
    """The picture track of the first input, and the sound; what the source says of itself and of both is kept."""
    with open_container(str(clip.source)) as container:
        video = picture_stream(container)
        assert video is not None
        arguments = ["-map", f"0:{video.index}", "-map", sound, "-map_metadata", "0", "-map_metadata:s:v:0", f"0:s:{video.index}"]
    if clip.sidecar is None:
        arguments += ["-map_metadata:s:a:0", f"0:s:{clip.own.track_index}"]
    return [*arguments, "-map_chapters", "0"]


def _remuxed(clip: Given, out: Path, repair: Repair) -> Repaired:
    with written_aside(out, keeps_suffix=True) as aside:
        inputs = [*_shifted_input(clip.source, Fraction(0)), *_shifted_input(clip.source, repair.shift_s)]
        run_ffmpeg([*inputs, *_tracks(clip, f"1:{clip.own.track_index}"), "-c", "copy", *output(aside, is_plain=True)])
        check_written(aside, clip.facts.duration_s, None)
        hidden = _hidden_notes(aside)
    note = "only timestamps were moved: who goes by index, or ignores edit lists, does not hear the repair, or not all of it"
    return Repaired(out, None, 0.0, (note, *clip.own.track_notes, *track_notes(clip.source), *hidden))


def _hidden_notes(path: Path) -> list[str]:
    """How many packets of pictures at the head of the file are not shown."""
    n = 0
    with open_container(str(path)) as container:
        video = picture_stream(container)
        assert video is not None
        for packet in packets(container, video):
            if not packet.is_discard:
                break
            n += 1
    return [f"an edit list hides {n} pictures at the head, as in the source: who ignores edit lists counts them"] if n else []
