"""How published datasets lie on disk: which files are clips, and what their paths and lists say about sound, speaker, split and face.

Knows nothing of pictures and sound: a few layouts look at the headers of a few files, nothing is decoded.
"""
