"""Any folder, file or list of files: the clips in it, in one order, each with a name of its own.

Opens lists, never clips. A folder gives the files with one of `VIDEO_SUFFIXES` (sound-only files are none of them), at any
depth, links followed, ``._*`` files of other systems left out; a file that is named is taken whatever its suffix.
"""

from __future__ import annotations

from pathlib import Path

from syncqc.datasets.listing import VIDEO_SUFFIXES, Listing, named, refuse_archive, refuse_equal_names, tell, videos_under
from syncqc.datasets.lists import clips_in_list, is_list
from syncqc.datasets.sounds import with_sound
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip
from syncqc.manifest.store import storable


def list_clips(source: Path, audio_root: Path | None = None) -> Listing:
    """Every clip of a folder, a file, or a list (``.txt``: a path per line; ``.csv``, ``.parquet``: a column ``path`` and perhaps others).

    clip_id is the path relative to the folder, or as it stands in the list, without suffix and with forward slashes; where two
    files differ only in their suffix, both keep it. With `audio_root` a clip's sound is the file of the same relative path there.

    Raises:
        UsageError: the source is missing, an archive, or holds no clips; a list is wrong; two clips have one name.
    """
    if not source.exists():
        raise UsageError(f"there is no file or folder {source}")
    refuse_archive(source)
    listing = _listing_of(source)
    if not listing.clips:
        looked_for = f" (suffixes looked for: {' '.join(sorted(VIDEO_SUFFIXES))})" if source.is_dir() else ""
        packed = f"; it holds {len(listing.archives)} archives, which are not opened: unpack or mount them" if listing.archives else ""
        raise UsageError(f"there are no videos in {source}{looked_for}{packed}")
    listing.clips.sort(key=lambda clip: clip.clip_id)
    refuse_equal_names(listing.clips)
    if audio_root is not None:
        listing.clips = with_sound(listing.clips, audio_root)
    tell(listing, source)
    return listing


def _listing_of(source: Path) -> Listing:
    if source.is_dir():
        listing = Listing()
        listing.clips = [Clip(clip_id, path) for clip_id, path in named(videos_under(source, listing))]
        return listing
    if is_list(source):
        return Listing(clips_in_list(source))
    return Listing([Clip(storable(source.stem), str(source))])
