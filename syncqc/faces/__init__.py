"""Faces in pictures: detectors, tracks through a shot, and one mouth crop per image.

Knows nothing of files, sound, networks or rows. Every detector gives the same five landmarks, and only they place the crop.
"""
