"""How a plan is carried out over many clips: which process does what, what happens when one dies, where the rows go.

`local` is the reference, `ray_data` gives the same rows on many cores and machines, `isolate` keeps a crashing decoder away from
both, `journal` keeps what is done. Knows neither what a stage measures nor how a command is spelled.
"""
