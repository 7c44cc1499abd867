"""The manifest: what a row may hold, how rows are kept in Parquet, how they are chosen.

Knows nothing of videos, networks or how a number is measured.
"""
