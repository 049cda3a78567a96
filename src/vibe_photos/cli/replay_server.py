"""Recorded answers over HTTP, to rehearse a night."""

from vibe_photos.cli.command import Commands


def add_command(commands: Commands) -> None:
    """Declare `vibe-photos replay-server`."""
    from vibe_photos.annotate.replay import server

    parser = commands.add_parser(
        "replay-server",
        help="rehearse a night: recorded answers over HTTP",
        description="Serve recorded answers as an OpenAI-compatible server on this machine, to rehearse a "
        "run without a GPU.",
    )
    server.add_arguments(parser)
    parser.set_defaults(run=server.run)
