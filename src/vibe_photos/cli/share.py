"""What would leave this machine?"""

import argparse
import sys

from vibe_photos.cli.command import Commands


def add_command(commands: Commands) -> None:
    """Declare `vibe-photos share`."""
    parser = commands.add_parser(
        "share",
        help="see what `dvc push` and `git push` would upload, then push",
        description="List what `dvc push` and `git push` would upload, by kind and size, and the personal "
        "data in it: names, paths, free text, pictures, vectors, credentials. Then ask, and run both.",
    )
    parser.add_argument("--dry-run", action="store_true", help="only list; upload nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--remote", metavar="NAME", help="DVC's remote (default: the project's)")
    parser.add_argument("--json", action="store_true", help="list as JSON for programs; upload nothing")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    import msgspec

    from vibe_photos.sharing.share import plan_sharing, push_all
    from vibe_photos.sharing.text import format_sharing

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
    """Ask on a terminal; elsewhere nobody can answer, and nothing is uploaded."""
    if not sys.stdin.isatty():
        print("\nnobody to ask: `vibe-photos share --yes` uploads this")
        return False
    return input("\nupload this? [y/N] ").strip().lower() in ("y", "yes")
