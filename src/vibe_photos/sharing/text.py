"""What sharing would give away, in words for a terminal."""

from collections.abc import Iterator, Sequence

from vibe_photos.sharing.personal_data import PersonalData
from vibe_photos.sharing.share import Group, Sharing

_MOST_FILES = 2


def format_sharing(sharing: Sharing) -> str:
    """Return what each of the two pushes would share, what in it is personal, and what speaks against it."""
    return "\n".join([*_dvc_lines(sharing), "", *_git_lines(sharing), *_obstacle_lines(sharing)])


def format_size(size_bytes: int) -> str:
    """Return a size in the unit that suits it."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} B"


def _dvc_lines(sharing: Sharing) -> Iterator[str]:
    dvc = sharing.dvc
    where = (
        f"to {dvc.remote.name} ({dvc.remote.url})"
        if dvc.remote
        else "to a remote, of which there is none yet"
    )
    yield f"`dvc push` {where}: {_count(dvc.files, 'file', 'files')}, {format_size(dvc.bytes)}"
    yield from _group_lines(dvc.groups)
    yield from _personal_lines(dvc.personal_data)
    if dvc.absent:
        yield f"neither here nor on the remote: {_shorten(dvc.absent)}"


def _git_lines(sharing: Sharing) -> Iterator[str]:
    git = sharing.git
    where = f"to {git.remote} ({git.url})" if git.remote else "to a remote, of which there is none yet"
    commits = _count(git.commits, "commit", "commits")
    versions = _count(git.files, "version of a file", "versions of files")
    yield f"`git push` of {git.branch} {where}: {commits}, {versions}, {format_size(git.bytes)}"
    if git.authors:
        yield f"  by {', '.join(git.authors)}"
    yield from _group_lines(git.groups)
    yield from _personal_lines(git.personal_data)
    if git.uncommitted:
        yield f"not committed, so not shared: {_shorten(git.uncommitted)}"


def _group_lines(groups: Sequence[Group]) -> Iterator[str]:
    width = max((len(group.kind) for group in groups), default=0)
    for group in groups:
        yield f"  {group.kind:<{width}}  {format_size(group.bytes):>8}  {_shorten(group.paths)}"


def _personal_lines(found: Sequence[PersonalData]) -> Iterator[str]:
    if found:
        yield "  personal data in it:"
    for data in found:
        examples = f", as {'; '.join(data.examples)}" if data.examples else ""
        yield f"  - {data.kind}: {data.count}{examples}"
        yield f"      in {_shorten(data.files)}"


def _obstacle_lines(sharing: Sharing) -> Iterator[str]:
    if sharing.obstacles:
        yield ""
        yield "before sharing:"
        yield from (f"- {obstacle}" for obstacle in sharing.obstacles)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _shorten(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MOST_FILES} more" if len(paths) > _MOST_FILES else ""
    return ", ".join(paths[:_MOST_FILES]) + more
