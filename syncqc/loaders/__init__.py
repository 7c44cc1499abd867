"""PyTorch datasets that are fed by a manifest: mouths and sound, put right by the measured offset.

`segments.SegmentDataset` gives rows by number, `stream.SegmentStream` in a drawn order over ranks and workers, `pairs.PairDataset`
pictures with right and wrong sound; `collate.collate` makes batches of them.

Knows no face detector: it crops from the boxes and landmarks that were stored when the clips were scored. Ray is known to `ray.py`
alone, which none of the others imports.
"""
