"""Chance that stays: a number per identity that depends on nothing but a seed and what it is for.

Ranks and shares drawn from it do not move when photos come and go, unlike those of a generator that is
run over a list.
"""

import xxhash


def unit_interval(seed: int, purpose: str, identity: str) -> float:
    """Return a number in [0, 1), uniform over identities, fixed by its three arguments."""
    digest = xxhash.xxh3_64_intdigest(f"{seed}|{purpose}|{identity}".encode())
    return (digest >> 11) / float(1 << 53)


def permanent_number(seed: int, image_id: str) -> float:
    """Return a photo's permanent random number in [0, 1).

    The review sample takes the lowest numbers of each stratum, the holdout the lowest of all (permanent
    random numbers: Ohlsson 1995, "Coordination of samples using permanent random numbers"). So a larger
    sample contains the smaller one, and a sample takes its photos from the holdout before it takes any
    from training.

    Args:
        seed: `sample.seed`.
        image_id: the photo.
    """
    return unit_interval(seed, "sample", image_id)
