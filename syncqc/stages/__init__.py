"""What is done to a clip, one stage per file: read, find_faces, listen, score, pool.

A stage turns parts of clips into parts of clips. It knows the rooms below it and nothing of engines, processes or Ray.
"""
