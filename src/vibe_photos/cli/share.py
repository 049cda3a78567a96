"""See what `dvc push` and `git push` would upload, then push.

List what `dvc push` and `git push` would upload, by kind and size, and the personal data in it: names, paths,
free text, pictures, vectors, credentials. Then ask, and run both.
"""

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos share`."""
    parser.add_argument("--dry-run", action="store_true", help="only list; upload nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--remote", metavar="NAME", help="DVC's remote (default: the project's)")
    parser.add_argument("--json", action="store_true", help="list as JSON for programs; upload nothing")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    import msgspec

    from vibe_photos.sharing.share import format_sharing, plan_sharing, push_all

    sharing = plan_sharing(options.remote)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(sharing), indent=2).decode())
        return
    print(format_sharing(sharing), flush=True)
    if options.dry_run:
        print("\nnothing was uploaded")
    elif sharing.obstacles or options.yes or _is_wanted():
        push_all(sharing)
    else:
        print("nothing was uploaded")


def _is_wanted() -> bool:
    """Ask on a terminal; without one, nothing is uploaded."""
    if not sys.stdin.isatty():
        print("\nnot a terminal: `vibe-photos share --yes` uploads this")
        return False
    return input("\nupload this? [y/N] ").strip().lower() in ("y", "yes")
