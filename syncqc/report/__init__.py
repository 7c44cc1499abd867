"""What was measured, for people: the page about a whole dataset, the probability map of one face, and sentences.

Knows manifests and plain arrays only: no video, no network, and nothing of training.
"""
