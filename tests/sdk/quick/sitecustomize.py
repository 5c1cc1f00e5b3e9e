"""On the PYTHONPATH of a real SDK under test: its long pauses between polls become short ones.

The SDKs wait 10 to 120 seconds between two looks at a job, so a test would mostly sleep. A shortened pause still
passes in full on time.time(), which SDKs compare with intervals of their own. Nothing else is changed.
"""

import time

_sleep = time.sleep
_time = time.time
LONG_S = 1.0
SHORT_S = 0.2
_skipped_s = 0.0


def _shorter(seconds: float) -> None:
    global _skipped_s
    pause_s = SHORT_S if seconds > LONG_S else seconds
    _skipped_s += seconds - pause_s
    _sleep(pause_s)


def _later() -> float:
    return _time() + _skipped_s


time.sleep = _shorter
time.time = _later
