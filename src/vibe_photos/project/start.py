"""Create a project for one photo library: this clone's code in a new git repository."""

import configparser
import io
import os
import re
import shlex
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from vibe_photos.annotate.imports import IMPORTED, read_answers
from vibe_photos.errors import InputError, LibraryError
from vibe_photos.lineage import FETCH_ONLY, GitError, run_git
from vibe_photos.project.versions import (
    DEMO,
    DVC_CONFIG,
    PARAMS,
    UPSTREAM,
    describe_version,
    list_files,
    open_code,
)
from vibe_photos.records.photos import name_hash
from vibe_photos.scan.walk import walk_folders

_STORE_TEACHER = "offline"
_DEFAULT_TEACHER = "qwen3_vl_32b"
_SAMPLED_ONE_IN = 3


def start_project(
    folder: Path,
    photos: Path,
    teacher: str | None,
    embedder: str,
    content_hash: str | None,
    annotations: Path | None,
) -> str:
    """Create a project from the current clone; return a summary and the next commands.

    The arguments are the options of `vibe-photos new`; a teacher or hash that is None is that of the
    annotations, else the default. Everything is checked first; the folder appears only once it is complete.

    Raises:
        InputError: not run in a clone, a folder or option cannot be used, or git has no user name and email.
        LibraryError: the photo folder is missing or has no photos.
    """
    _check_clone()
    folder = folder.resolve()
    _check_folder(folder, photos.resolve())
    config: dict[str, Any] = msgspec.yaml.decode(Path("conf/config.yaml").read_bytes())
    photo_files = _count_photos(photos, config["library"])
    teacher, content_hash = _choose_teacher(teacher, content_hash, annotations)
    for group, name in (("teacher", teacher), ("embedder", embedder)):
        if name not in (known := _list_choices(group)):
            raise InputError(f"--{group} {name} does not exist: choose one of {', '.join(known)}")
    _check_identity()
    # In a small library a third, so that enough is left for training.
    sampled = min(config["sample"]["size"], -(-photo_files // _SAMPLED_ONE_IN))
    params = _make_params(
        {
            "use": {"teacher": teacher, "embedder": embedder},
            "library": {"root": str(photos)} | ({"content_hash": content_hash} if content_hash else {}),
            "sample": {"size": sampled},
        }
    )
    with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        project = Path(scratch) / folder.name
        _write_project(project, params, f"A project for {photos.name or photos}")
        project.rename(folder)
    made = (
        f"{folder} is your project: {photo_files} photo files in {photos}, teacher {teacher}, encoder "
        f"{embedder}, {sampled} photos for you to check"
    )
    return "\n".join(
        [made, *_list_warnings(folder), *_list_next_commands(folder, teacher, embedder, annotations)]
    )


def _check_clone() -> None:
    try:
        is_root = not run_git("rev-parse", "--show-prefix").strip()
        files = set(list_files("HEAD"))
    except GitError:
        is_root, files = False, set()
    if not is_root or not files.issuperset({PARAMS, f"{DEMO}/README.md", "src/vibe_photos/__init__.py"}):
        raise InputError(f"{Path.cwd()} is not the top folder of a vibe-photos clone: run this command there")


def _check_folder(folder: Path, photos: Path) -> None:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not empty: name a folder that does not exist yet")
    for place, what in ((Path.cwd().resolve(), "this clone"), (photos, "the photo folder")):
        if folder.is_relative_to(place):
            raise InputError(f"{folder} is inside {what} ({place}): choose a folder outside it")
    if not folder.parent.is_dir():
        raise InputError(f"{folder.parent} does not exist: create it first, or choose another folder")


def _count_photos(photos: Path, library: dict[str, Any]) -> int:
    """Return how many files of the folder have a photo's extension."""
    if not photos.is_absolute():
        raise InputError(f"--photos {photos} is a relative path: write the full path, {photos.resolve()}")
    if not photos.is_dir():
        raise LibraryError(f"--photos {photos} is not a folder: give the folder that has your photos")
    extensions, skipped = library["extensions"], library["skip_names"]
    count = sum(len(found.files) for found in walk_folders(os.fsencode(photos), extensions, skipped))
    if not count:
        raise LibraryError(f"--photos {photos} has no photos: no file in it ends in {', '.join(extensions)}")
    return count


def _choose_teacher(
    teacher: str | None, content_hash: str | None, annotations: Path | None
) -> tuple[str, str | None]:
    """Return the teacher's name and the hash; what is not given is chosen to fit the annotations."""
    if not annotations:
        return teacher or _DEFAULT_TEACHER, content_hash
    known_hash, model = _inspect_answers(annotations)
    if content_hash not in (None, known_hash):
        raise InputError(
            f"--content-hash {content_hash}: the ids in {annotations} are {known_hash}, so no photo would "
            "match its answer"
        )
    names = _list_choices("teacher")
    files = {name: Path("conf", "teacher", f"{name}.yaml").read_bytes() for name in names}
    fitting = [name for name in names if msgspec.yaml.decode(files[name]).get("model") == model]
    if not fitting and not teacher:
        raise InputError(
            f"{annotations} has answers by {model}, but no teacher in conf/teacher uses that model: choose "
            f"one with --teacher {'|'.join(names)}"
        )
    return teacher or fitting[0], known_hash


def _list_choices(group: str) -> list[str]:
    """Return the names of a group's choices, without those of the demo."""
    names = sorted(file.stem for file in Path("conf", group).glob("*.yaml"))
    return [name for name in names if not name.startswith("demo")]


def _inspect_answers(file: Path) -> tuple[str, str]:
    """Return which hash the ids in a file of answers are, and the most frequent model."""
    problems: list[str] = []
    answers = [
        (name_hash(answer.image_id), answer.model) for answer in read_answers([file], IMPORTED, problems)
    ]
    if not answers:
        raise InputError(f"--annotations {file} has no answers")
    hashes = {content_hash for content_hash, _ in answers}
    if len(hashes) > 1 or None in hashes:
        raise InputError(
            f"--annotations {file}: all ids must have 16 hex digits (xxh64), or all must have 32 (xxh3_128); "
            "these are mixed, or something else"
        )
    models = [model for _, model in answers]
    return str(hashes.pop()), max(sorted(set(models)), key=models.count)


def _check_identity() -> None:
    try:
        run_git("var", "GIT_COMMITTER_IDENT")
        run_git("var", "GIT_AUTHOR_IDENT")
    except GitError:
        raise InputError(
            "git needs your name and email for the first commit: "
            'git config --global user.name "Your Name" && git config --global user.email you@example.org'
        ) from None


def _make_params(choices: dict[str, dict[str, Any]]) -> bytes:
    """Return the clone's `params.yaml` with new values, by section and key.

    A threshold that was chosen for the demo becomes 0.5, its section `train` goes, and comments list
    none of its choices.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 1_000_000
    params = re.sub(r"# demo\w* \| ", "# ", run_git("show", f"HEAD:{PARAMS}"))
    document = yaml.load(re.sub(r"[\d.]+ +# demo: .*", "0.5", params))
    document.pop("train", None)
    for section, values in choices.items():
        for key, value in values.items():
            if key in document[section]:
                document[section][key] = value
            else:
                # First, because what follows the section's last key (a blank line) belongs to that key.
                document[section].insert(0, key, value)
    text = io.BytesIO()
    yaml.dump(document, text)
    return text.getvalue()


def _write_project(project: Path, params: bytes, message: str) -> None:
    """Write the project's files and its two commits: the version's code, then the project's settings."""
    source = run_git("rev-parse", "HEAD").strip()
    with open_code(source) as index:
        run_git("checkout-index", "--all", f"--prefix={project}/", index=index)

    def git(*arguments: str) -> None:
        run_git("-C", str(project), *arguments)

    git("init", "--quiet", "--initial-branch=main")
    for line in run_git("config", "--local", "--list").splitlines():
        key, _, value = line.partition("=")
        if key.startswith("user."):
            git("config", key, value)
    git("remote", "add", UPSTREAM, _find_upstream(source))
    git("config", f"remote.{UPSTREAM}.pushurl", FETCH_ONLY)
    git("config", f"remote.{UPSTREAM}.tagOpt", "--no-tags")
    # --force: the user's global gitignore must not leave out files of the version.
    git("add", "--all", "--force")
    git("commit", "--quiet", "--message", describe_version(source))
    (project / PARAMS).write_bytes(params)
    (project / DVC_CONFIG).write_text(_without_remotes(run_git("show", f"HEAD:{DVC_CONFIG}")))
    git("add", PARAMS, DVC_CONFIG)
    git("commit", "--quiet", "--message", message)


def _find_upstream(source: str) -> str:
    """Return where newer versions come from: the clone's origin if it has `source`, else the clone."""
    if run_git("for-each-ref", "--contains", source, "refs/remotes/origin").strip():
        origin = run_git("remote", "get-url", "origin").strip()
        return str(Path(origin).resolve()) if Path(origin).exists() else origin
    return str(Path.cwd())


def _without_remotes(text: str) -> str:
    config = configparser.ConfigParser(interpolation=None)
    config.read_string(text)
    for section in config.sections():
        if section.strip("'").startswith("remote "):
            config.remove_section(section)
    if config.has_section("core"):
        config.remove_option("core", "remote")
    written = io.StringIO()
    config.write(written)
    return written.getvalue()


def _list_next_commands(folder: Path, teacher: str, embedder: str, annotations: Path | None) -> list[str]:
    if annotations:
        answers = f"vibe-photos import-annotations {shlex.quote(str(annotations.resolve()))}"
    elif teacher == _STORE_TEACHER:
        answers = "vibe-photos import-annotations FILE..."
    else:
        answers = "export QWEN_BASE_URL=http://localhost:8000/v1"
    chosen = msgspec.yaml.decode(Path("conf", "embedder", f"{embedder}.yaml").read_bytes())
    commands = (
        f"cd {shlex.quote(str(folder))} && make setup && . .venv/bin/activate",
        *([f"cp MODEL.onnx {chosen['checkpoint']}"] if chosen["kind"] == "onnx" else []),
        answers,
        # Later figures are compared with this commit.
        "vibe-photos check && dvc repro && git add --all && git commit -m 'First labels'",
    )
    return ["Next:", *(f"  {command}" for command in commands)]


def _list_warnings(folder: Path) -> list[str]:
    warnings = []
    if not str(folder).isascii():
        warnings.append(
            "Its path has non-ASCII characters: DVC cannot queue experiments there (`dvc exp run --queue`). "
            "Rename the folder now if you want to"
        )
    changed = run_git("status", "--porcelain", "--untracked-files=no").splitlines()
    if changed:
        files = ", ".join(line[3:] for line in changed[:3])
        warnings.append(f"Uncommitted changes in this clone were not copied: {files}")
    return warnings
