"""The networks: tensors in, tensors out. One file per architecture; layers, losses and checkpoints beside them.

Knows nothing of files other than checkpoints, nor of faces, sound files, rows or engines.
"""
