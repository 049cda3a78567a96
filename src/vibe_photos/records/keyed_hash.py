"""Reproducible random numbers: each depends only on a seed, a purpose and an id.

Unlike numbers from a random generator, they do not change when other photos are added or removed.
"""

import xxhash


def unit_interval(seed: int, purpose: str, identity: str) -> float:
    """Return a number in [0, 1) that depends only on the arguments, uniform over identities."""
    digest = xxhash.xxh3_64_intdigest(f"{seed}|{purpose}|{identity}".encode())
    return (digest >> 11) / float(1 << 53)


def permanent_number(seed: int, image_id: str) -> float:
    """Return a photo's permanent random number in [0, 1).

    The review sample takes the lowest numbers of each stratum, the holdout the lowest of all (permanent
    random numbers: Ohlsson 1995, "Coordination of samples using permanent random numbers"). So a larger
    sample contains the smaller one, and it takes photos from the holdout before it takes any from training.
    `seed` is `sample.seed`.
    """
    return unit_interval(seed, "sample", image_id)
