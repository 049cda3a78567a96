"""Run every benchmark, one after the other (`python -m benchmarks [NAME ...]`), and end with the summary."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent


def list_benchmarks() -> list[str]:
    """Return the modules here that measure something by themselves."""
    modules = sorted(FOLDER.glob("[a-z]*.py"))
    return [path.stem for path in modules if "\ndef main() -> None:" in path.read_text()]


def run_benchmark(name: str, results: Path) -> bool:
    """Run one and return whether it ended well; its rows of the summary are then in `results`."""
    print(f"\n=== {name}", flush=True)
    # A process each: what one imports, caches or allocates does not touch the next one's figures.
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(results)]
    return subprocess.run(command, check=False).returncode == 0


def format_summary(reaches: Sequence[dict[str, object]]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| what | ours | peer | wanted | met |", "|---|---|---|---|---|"]
    for row in reaches:
        met = "yes" if row["is_met"] else "**no**"
        lines.append(f"| {row['what']} | {row['figure']} | {row['peer']} | {row['wanted']} | {met} |")
    return "\n".join(lines)


def main() -> int:
    """Run the named benchmarks (all of them without a name); return 1 if one failed."""
    known = list_benchmarks()
    wanted = sys.argv[1:] or known
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    failed, reaches = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted:
            results = Path(folder) / f"{name}.json"
            if run_benchmark(name, results):
                reaches += json.loads(results.read_text())["reaches"]
            else:
                failed.append(name)
    print(f"\n{format_summary(reaches)}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
