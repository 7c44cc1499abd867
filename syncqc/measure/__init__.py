"""Numbers from embeddings: how far sound and lips are apart, how probably they belong together, when the face speaks.

Pure functions on NumPy arrays. Knows no file, no network, no face, no manifest and no seconds but the clock's: what comes in
are unit vectors or cosines, what goes out are numbers and runs of windows.

::

    similarity      embeddings -> cosines (2 w + 1 shifts, n windows), and which of them count
    offset          cosines -> mean curve over the shifts -> best shift, margin, edge
    probability     cosines near the best shift -> probability per window and per track, the paper's offscreen ratio
    decision        cosines at the best shift -> when the face is the speaker, all windows of a track judged together
    active_speaker  the paper's rules for the same -> runs of windows -> seconds
    calibration     the numbers of a track -> probability that it is in sync, learned per checkpoint
    sync            all of it in one call: measure(...) -> Sync or None
    settings        every threshold, with its default and its source

Cells that do not count are masked everywhere and never read, whatever number stands in them. A window none of whose cells near the
best shift counts is *not measured*: its probability is NaN, it is left out of every share and mean, and the face is not on
screen in it.
"""
