"""How the learning rate moves in the course of training.

A pure function of the step: nothing is counted here, so a resumed run needs no more than its step number.
"""

import math


def warmup_cosine(step: int, *, total: int, warmup: int) -> float:
    """Multiplier of the peak rate at step 0, 1, ..., total - 1.

    Linear from 1/warmup up to 1, then half a cosine down to 0 (Loshchilov & Hutter, 2017).
    """
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return (1 + math.cos(math.pi * progress)) / 2
