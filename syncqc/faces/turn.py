r"""How far a head is turned sideways, judged by where the nose stands between the eyes.

Knows five landmarks and no detector, picture or clip.

::

      frontal                 turned to the picture's right
    o         o                  o      o          the eyes draw together, cos(yaw)
         v                              v          the nose goes ahead, sin(yaw)
       \___/                         \__/
"""

from __future__ import annotations

import numpy as np

from syncqc.faces.crop import placement
from syncqc.faces.detector import F32

NOSE_DEPTH_EYES = 0.45
"""How far the tip of the nose lies before the eyes, in eye distances: about 28 mm of 63 mm. People differ by a quarter or so."""


def yaw_deg(landmarks: F32) -> F32:
    """Sideways turn in degrees, (n,), for landmarks (n, 5, 2); 0 is frontal, > 0 the nose towards the picture's right, within ±90.

    The nose is ahead of the middle of the eyes by depth * sin(yaw), and the eyes are cos(yaw) of their distance apart, both counted
    along the line of the level face; so neither size nor tilt plays a part, and a nod of 25 degrees changes it by 7 at most. Where the
    eyes fall together it is ±90. Noses differ, so it is rough: enough to tell frontal from half and strongly turned heads.
    """
    points = np.asarray(landmarks, np.float64)
    tilt = placement(landmarks)[2].astype(np.float64)
    level = np.stack([np.cos(tilt), np.sin(tilt)], axis=1)
    apart = ((points[:, 1] - points[:, 0]) * level).sum(axis=1)
    ahead = ((points[:, 2] - (points[:, 0] + points[:, 1]) / 2) * level).sum(axis=1)
    return np.asarray(np.degrees(np.arctan2(ahead, NOSE_DEPTH_EYES * np.maximum(apart, 0.0))), np.float32)
