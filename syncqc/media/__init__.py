"""Files to arrays on one clock, and back: probing, images at 25 fps, sound at 16 kHz, mel, shots, speech, synthetic clips.

Knows nothing of faces, networks, datasets or engines. Raises `ClipError` for a file it cannot measure.
"""
