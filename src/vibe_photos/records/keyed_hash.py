"""Chance that stays: a number per identity that depends on nothing but a seed and what it is for.

Ranks and shares drawn from it do not move when photos come and go, unlike those of a generator that is
run over a list.
"""

import xxhash


def unit_interval(seed: int, purpose: str, identity: str) -> float:
    """Return a number in [0, 1), uniform over identities, fixed by its three arguments."""
    digest = xxhash.xxh3_64_intdigest(f"{seed}|{purpose}|{identity}".encode())
    return (digest >> 11) / float(1 << 53)
