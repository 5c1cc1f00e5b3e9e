"""On the PYTHONPATH of a real SDK under test: its long pauses between polls become short ones.

The SDKs wait 10 to 120 seconds between two looks at a job, so a test would mostly sleep. Nothing else is changed.
"""

import time

_sleep = time.sleep
LONG_S = 1.0
SHORT_S = 0.2


def _shorter(seconds: float) -> None:
    _sleep(SHORT_S if seconds > LONG_S else seconds)


time.sleep = _shorter
