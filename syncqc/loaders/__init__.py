"""PyTorch datasets that are fed by a manifest: mouths and sound, put right by the measured offset.

Knows no face detector: it crops from the boxes and landmarks that were stored when the clips were scored.
"""
