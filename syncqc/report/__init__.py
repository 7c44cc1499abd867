"""What was measured, for people: pages about datasets, about one clip and about what changed; the probability map; sentences.

Knows manifests and plain arrays; the videos behind them in `sheet_media` and the clip page's caller alone; nothing of training.
"""
