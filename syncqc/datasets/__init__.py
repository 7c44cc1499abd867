"""How published datasets lie on disk: which files are clips, and what their paths say about speaker and split.

Knows neither pictures nor sound; it never opens a clip.
"""
