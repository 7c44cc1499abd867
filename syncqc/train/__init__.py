"""How a network comes to its weights: cached mouths, pairs that fit and pairs that don't, the loop, and what it reached.

Knows the networks and the rooms below them; nothing of reports, and no command line.
"""
