"""In how many threads an encoder computes."""

import os


def count_threads() -> int:
    """Return `OMP_NUM_THREADS` where it is set, as numeric libraries read it, else one thread a core.

    Ray sets it for each worker, so that several workers on one machine share its cores.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(wanted) if wanted.isdigit() and int(wanted) else os.cpu_count() or 1
