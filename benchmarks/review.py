"""The review page's server: how soon it answers, how soon the next photo is there, how much memory it takes.

The real command in a process of its own, 10,000 photos in its queue. The next photo is asked for as the
page does: what is known of it, and its picture at 1600 px. `cold` is a photo that nobody asked for before,
`ahead` one that was asked for while the last one was looked at. The floor is decoding and encoding the same
files in this process and nothing else; the peer is the plain script with Pillow that one would write first.
"""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from itertools import count, cycle
from pathlib import Path

import msgspec
import numpy as np
from benchmarks.rounds import Reach, at_most, measure, parse_arguments, print_table, write_results
from PIL import Image

from vibe_photos.classify.stage import decide_labels
from vibe_photos.configuration import RESOLVED, read_resolved, without_machine_local
from vibe_photos.heads.out_of_fold import write_out_of_fold
from vibe_photos.human_truth.sample import read_sampled
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth, truth_object
from vibe_photos.records.label_tables import ScoreTable, write_labels, write_scores
from vibe_photos.records.photos import Photo
from vibe_photos.records.taxonomy import HEADS, head_keys
from vibe_photos.review.photo_images import encode_photo
from vibe_photos.sample.stage import sample_for_review
from vibe_photos.settings import Paths, Settings
from vibe_photos.split.stage import assign_roles, write_splits
from vibe_photos.statistics.label_arrays import arrays_of_records, read_keys
from vibe_photos.storage.jsonl import write_jsonl
from vibe_photos.storage.vectors import to_unit_norm, write_rows

QUEUED = 10_000
LIBRARIES = (10_000, 100_000)
DIM = 768
PAGED = 2_000
PICTURES = 16
SIZE_PX = (4000, 3000)
PAGED_SIZE_PX = (2048, 1536)
SHOWN_PX = 1600
COMMAND = "from vibe_photos.cli import main; raise SystemExit(main())"


def write_pictures(folder: Path, size_px: tuple[int, int]) -> None:
    """Write photos with soft shapes and grain, as a camera makes them."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    for number in range(PICTURES):
        shapes = Image.fromarray(generator.integers(0, 255, (30, 40, 3), np.uint8))
        pixels = np.asarray(shapes.resize(size_px, Image.Resampling.BICUBIC), np.int16)
        grain = generator.normal(0, 6, (size_px[1], size_px[0], 1)).astype(np.int16)
        image = Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))
        image.save(folder / f"{number:02}.jpg", "JPEG", quality=90)


def write_library(folder: Path, pictures: Path, photos: int) -> None:
    """Write what a review begins with; photo n is another name for one of the pictures."""
    folder.mkdir()
    (folder / "conf").symlink_to(Path("conf").resolve())
    settings = read_resolved()
    sample = msgspec.structs.replace(settings.sample, size=photos // 10)
    library = msgspec.structs.replace(settings.library, root=str(pictures))
    composed = msgspec.to_builtins(
        msgspec.structs.replace(settings, sample=sample, library=library), enc_hook=str
    )
    (folder / RESOLVED).parent.mkdir(parents=True)
    (folder / RESOLVED).write_bytes(msgspec.yaml.encode(without_machine_local(composed)))
    places = {name: folder / getattr(settings.paths, name) for name in Paths.__struct_fields__}
    paths = Paths(**places)
    settings = msgspec.structs.replace(settings, paths=paths, sample=sample)
    ids = write_manifest(folder, pictures, photos)
    truths, scores = draw_answers(settings, ids)
    write_jsonl(paths.auto / ALL_LABELS, map(truth_object, truths))
    sample_for_review(settings)
    reserved = set(read_sampled(paths.sample))
    memberships = assign_roles({i: i for i in ids}, reserved, settings.split, sample.seed)
    write_splits(paths.splits, memberships)
    write_scores(paths.probabilities, scores)
    write_labels(
        paths.labels,
        decide_labels(scores, settings.taxonomy, settings.classify),
        dict.fromkeys(scores.keys),
    )
    trains = [row for row, image_id in enumerate(ids) if memberships[image_id].role == "train"]
    arrays = arrays_of_records([truths[row] for row in trains], read_keys(settings.taxonomy))
    is_scene = np.eye(len(head_keys(settings.taxonomy, "scene")), dtype=np.int8)[arrays.scene]
    y = {"scene": is_scene, "attribute": arrays.attributes, "object": arrays.objects}
    for head in HEADS:
        keys = head_keys(settings.taxonomy, head)
        columns = [scores.keys.index(key) for key in keys]
        probability = scores.probability[np.ix_(trains, columns)]
        write_out_of_fold(
            paths.models,
            head,
            [ids[row] for row in trains],
            keys,
            y[head],
            np.zeros((len(trains), 1), bool),
            probability,
            probability,
        )
    write_vectors(paths.embeddings, ids, scores)


def write_manifest(folder: Path, pictures: Path, photos: int) -> list[str]:
    """Write the manifest and return the ids; they have a length of their own: they say nothing of bytes."""
    ids = [f"{number:030x}" for number in range(photos)]
    files = [(path.name, path.stat().st_size) for path in sorted(pictures.iterdir())]
    named = zip(ids, cycle(files), strict=False)
    write_jsonl(
        folder / read_resolved().paths.photos,
        (Photo(image_id=i, rel_path=name, bytes=size, format="JPEG") for i, (name, size) in named),
    )
    return ids


def draw_answers(settings: Settings, ids: list[str]) -> tuple[list[GroundTruth], ScoreTable]:
    """Draw what teacher and student say; each is wrong about the scene of one photo of ten."""
    rng = np.random.default_rng(0)
    keys = {head: head_keys(settings.taxonomy, head) for head in HEADS}
    true_scene = rng.integers(0, len(keys["scene"]), len(ids))
    said = np.where(rng.random(len(ids)) < 0.1, rng.integers(0, len(keys["scene"]), len(ids)), true_scene)
    logit = rng.normal(0, 1, (len(ids), len(keys["scene"])))
    logit[np.arange(len(ids)), true_scene] += 4
    scene = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    others = [*keys["attribute"], *keys["object"]]
    truth = rng.random((len(ids), len(others))) < 0.05
    probability = np.where(truth, 0.6, 0.1) + rng.random(truth.shape) * 0.35
    heard = truth ^ (rng.random(truth.shape) < 0.01)
    records = [
        GroundTruth(
            image_id=image_id,
            scene=[keys["scene"][said[row]]],
            attributes={key: bool(heard[row, at]) for at, key in enumerate(keys["attribute"])},
            objects=[key for at, key in enumerate(others) if heard[row, at] and key.startswith("object.")],
        )
        for row, image_id in enumerate(ids)
    ]
    scores = np.hstack([scene, probability])
    return records, ScoreTable(ids, [*keys["scene"], *others], scores, scores, np.full(scores.shape, np.nan))


def write_vectors(folder: Path, ids: list[str], scores: ScoreTable) -> None:
    """Write vectors around a centre for each scene, a chunk at a time."""
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((scores.probability.shape[1], DIM), dtype=np.float32)

    def draw() -> Iterator[tuple[str, bytes]]:
        for start in range(0, len(ids), PAGED):
            part = scores.probability[start : start + PAGED].astype(np.float32)
            vectors = part @ centres + rng.standard_normal((len(part), DIM), dtype=np.float32)
            yield from zip(
                ids[start : start + PAGED], (row.tobytes() for row in to_unit_norm(vectors)), strict=True
            )

    write_rows(folder / "embeddings.sqlite", "synthetic", draw())


class Review:
    """A running server, asked over one connection that is kept, as a browser's are."""

    def __init__(self, folder: Path) -> None:
        options = ["review", "--no-browser", "--reviewer", "ada"]
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *options], cwd=folder, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.process.stdout.readline()
        _, _, host, token, _ = self.process.stdout.readline().strip().split("/")
        self._token = token
        self._connection = HTTPConnection(host, timeout=60)
        for path in ("", "api/session", "api/photos?status=open&brief=true&limit=200"):
            self.get(path)
        self.start_seconds = time.perf_counter() - begin

    def get(self, path: str) -> bytes:
        """Return what is at a path under the token."""
        self._connection.request("GET", f"/{self._token}/{path}")
        reply = self._connection.getresponse()
        body = reply.read()
        assert reply.status == 200, (path, reply.status, body)
        return body

    def is_ready(self, path: str) -> bool:
        """Return whether what is at a path is ready (else 503), under the token."""
        self._connection.request("GET", f"/{self._token}/{path}")
        reply = self._connection.getresponse()
        reply.read()
        return reply.status == HTTPStatus.OK

    def list_queue(self, photos: int = QUEUED) -> list[str]:
        """Return the first photos of the queue, by pages."""
        limit = min(photos, 500)
        address = f"api/photos?status=open&brief=true&limit={limit}"
        pages = (self.get(f"{address}&offset={at}") for at in range(0, photos, limit))
        return [item["image_id"] for page in pages for item in json.loads(page)["items"]]

    def show(self, image_id: str) -> None:
        """Ask for a photo as the page does."""
        self.get(f"api/photo/{image_id}")
        self.get(f"photo/{image_id}?size={SHOWN_PX}")

    def memory_megabytes(self) -> float:
        """Return the memory that the server holds now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextmanager
def open_review(folder: Path) -> Iterator[Review]:
    """Run a server for the block, and end it with Ctrl-C."""
    review = Review(folder)
    yield review
    review.process.send_signal(signal.SIGINT)
    review.process.wait()


def encode_plainly(path: Path) -> bytes:
    """The plain script."""
    image = Image.open(path).resize((SHOWN_PX, SHOWN_PX * SIZE_PX[1] // SIZE_PX[0]))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def show_ahead(review: Review, queue: list[str]) -> Callable[[], object]:
    """Return a request for a photo that the server already has in memory."""
    for image_id in queue:
        review.show(image_id)
    turns = count()
    return lambda: review.show(queue[next(turns) % len(queue)])


def measure_next(folder: Path, pictures: Path, rounds: int) -> dict[str, float]:
    """Time the next photo."""
    with open_review(folder) as review:
        queue = review.list_queue()
        unseen, files = iter(queue), count()
        return measure(
            {
                "floor: decode and encode": lambda: encode_photo(
                    pictures / f"{next(files) % PICTURES:02}.jpg", SHOWN_PX, 10**8
                ),
                "next photo, cold": lambda: review.show(next(unseen)),
                "next photo, ahead": show_ahead(review, queue[-20:]),
                "plain script": lambda: encode_plainly(pictures / f"{next(files) % PICTURES:02}.jpg"),
            },
            rounds,
        )


def page_through(folder: Path) -> dict[str, float]:
    """Return the server's megabytes along a walk through the queue."""
    with open_review(folder) as review:
        queue = review.list_queue()
        found = {"after the start": review.memory_megabytes()}
        for number, image_id in enumerate(queue[:PAGED], start=1):
            review.show(image_id)
            if number in (PAGED // 8, PAGED // 4, PAGED // 2, PAGED):
                found[f"after {number:,} photos"] = review.memory_megabytes()
        return found


def measure_starts(folders: dict[int, Path], rounds: int) -> dict[str, float]:
    """Time from the command to the page's first photos listed, and what a list of a label takes then."""

    def start(folder: Path) -> float:
        with open_review(folder) as review:
            return review.start_seconds

    return {
        f"{photos:,} photos, a tenth queued": sorted(start(folder) for _ in range(rounds))[rounds // 2]
        for photos, folder in folders.items()
    }


def measure_views(folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Time the views of a library as a person opens them; return seconds, and the server's megabytes."""
    cell = "api/photos?list=train&status=open&sort=sure&limit=60&says=teacher:scene.{},student:scene.{}"
    seconds, megabytes = {}, {}

    def time_all(name: str, *paths: str) -> None:
        begin = time.perf_counter()
        for path in paths:
            review.get(path)
        seconds[name] = time.perf_counter() - begin

    with open_review(folder) as review:
        megabytes["after the start"] = review.memory_megabytes()
        train = "list=train&status=open"
        time_all("mistakes, first view", "mistakes", f"api/photos?{train}&limit=60", f"api/matrix?{train}")
        time_all("mistakes, chips", f"api/chips?{train}")
        megabytes["after the first view of mistakes"] = review.memory_megabytes()
        for one, other in (("food", "people"), ("animals", "snapshot"), ("document", "screenshot")):
            time_all(f"mistakes, {one} taken for {other}", cell.format(one, other))
        for sort in ("apart", "suspicion", "newest"):
            time_all(f"all photos by {sort}", f"api/photos?list=all&limit=60&sort={sort}")
        time_all("all photos, a name", "api/photos?list=all&limit=60&text=07.jpg")
        time_all("my photos, one label", "api/photos?list=all&by=final&limit=60&label=scene.food")
        time_all("my photos, chips", "api/chips?list=all&by=final")
        time_all("teach, first list", "api/photos?list=teach&status=open&brief=true")
        (one, *_) = review.list_queue(1)
        begin = time.perf_counter()
        while not review.is_ready(f"api/photos?list=all&limit=60&near={one}"):
            time.sleep(0.1)
        seconds["alike, first: embeddings read, map drawn"] = time.perf_counter() - begin
        (other,) = review.list_queue(2)[1:]
        time_all("alike, another photo", f"api/photos?list=all&limit=60&near={other}")
        time_all("map", "api/map?list=all")
        time_all("lasso", "api/photos?list=all&limit=60&lasso=0,0;0.5,0;0.5,1;0,1")
        megabytes["after all views"] = review.memory_megabytes()
    return seconds, megabytes


def print_values(title: str, values: dict[str, float], unit: str) -> None:
    """Print one figure a line."""
    print(f"\n{title}")
    for name, value in values.items():
        print(f"{name:32}  {value:8.3f} {unit}", flush=True)


def find_reaches(
    starts: dict[str, float],
    shown: dict[str, float],
    memory: dict[str, float],
    views: dict[str, float],
    held: dict[str, float],
) -> list[Reach]:
    """Return whether the page is quick to begin and to go on, and does not grow."""
    early, late = memory[f"after {PAGED // 8:,} photos"], memory[f"after {PAGED:,} photos"]
    ahead_ms, plain_ms = shown["next photo, ahead"] * 1e3, shown["plain script"] * 1e3
    cells = max(value for name, value in views.items() if "taken for" in name)
    largest = f"{LIBRARIES[-1]:,}"
    return [
        at_most(f"mistakes of {largest} photos: first view", views["mistakes, first view"], 2, None, "s"),
        at_most(f"mistakes of {largest} photos: a cell's grid", cells, 0.3, None, "s"),
        at_most(f"mistakes of {largest} photos: memory", held["after all views"], 150, None, "MB"),
        at_most(
            f"review page: from the command to a queue of {QUEUED:,}",
            list(starts.values())[-1],
            2,
            None,
            "s",
        ),
        at_most("review page: the next photo, asked for ahead", ahead_ms, 100, plain_ms, "ms"),
        at_most(
            f"review page: memory after {PAGED:,} photos, times that after {PAGED // 8:,}", late / early, 1.1
        ),
    ]


def main() -> None:
    """Print all tables."""
    arguments = parse_arguments(__doc__ or "", rounds=15)
    os.environ["PYTHONUNBUFFERED"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "photos"
        write_pictures(pictures, SIZE_PX)
        folders = {photos: Path(folder) / str(photos) for photos in LIBRARIES}
        for photos, library in folders.items():
            write_library(library, pictures, photos)
        starts = measure_starts(folders, rounds=5)
        print_values("from the command to the first list of the queue", starts, "s")
        for photos, library in folders.items():
            views, held = measure_views(library)
            print_values(f"views of a library of {photos:,}", views, "s")
            print_values("memory of the server (RSS)", held, "MB")
        shown = measure_next(folders[LIBRARIES[-1]], pictures, arguments.rounds)
        print_table("the next photo at 1600 px", shown, "floor: decode and encode", 1, "photos")
        # Smaller ones: the pictures that are kept are as large, and two thousand take minutes less.
        write_pictures(pictures, PAGED_SIZE_PX)
        write_manifest(folders[LIBRARIES[-1]], pictures, LIBRARIES[-1])
        memory = page_through(folders[LIBRARIES[-1]])
        print_values("memory of the server (RSS)", memory, "MB")
    results = {"start": starts, "next photo": shown, "views": views, "memory_mb": held | memory}
    write_results(arguments.json, results, find_reaches(starts, shown, memory, views, held))


if __name__ == "__main__":
    main()
