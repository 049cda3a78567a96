"""Run every benchmark, one after the other: `python -m benchmarks [NAME ...]`."""

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run the named benchmarks (all of them without a name); return 1 if one failed."""
    folder = Path(__file__).parent
    known = sorted(path.stem for path in folder.glob("[a-z]*.py") if path.stem != "rounds")
    wanted = sys.argv[1:] or known
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    failed = []
    for name in wanted:
        print(f"\n=== {name}", flush=True)
        # A process each: what one imports, caches or allocates does not touch the next one's figures.
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
