"""A real clone with a real `dvc repro` behind it; each test works on a copy of its own."""

import fcntl
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.preloaded import preloaded_environment

ALWAYS = {"compose", "scan"}


@dataclass(frozen=True)
class Repro:
    """What one `dvc repro` did, by its own record."""

    status: int
    text: str

    @property
    def ran(self) -> set[str]:
        """Stages whose command ran, besides those that always run."""
        return set(re.findall(r"Running stage '([^']+)'", self.text)) - ALWAYS

    @property
    def from_cache(self) -> set[str]:
        """Stages that DVC's run cache served."""
        return set(re.findall(r"Stage '([^']+)' is cached", self.text))


@pytest.fixture(scope="session", autouse=True)
def _preloaded(preloaded_commands):
    """For all commands of `Checkout.run`."""


@dataclass(frozen=True)
class Checkout:
    """A working copy with git, DVC and a store."""

    root: Path

    def run(self, *command, check=True, **environment):
        """Run a command as a user would."""
        result = subprocess.run(
            command,
            cwd=self.root,
            env=preloaded_environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if check and result.returncode:
            pytest.fail(f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}")
        return result

    def repro(self, *arguments, check=True, **environment) -> Repro:
        result = self.run("dvc", "repro", *arguments, check=check, **environment)
        return Repro(result.returncode, result.stdout)

    def due(self) -> set[str]:
        """The stages of which a dependency, a parameter or an out is not what dvc.lock says."""
        return set(self.status()) - ALWAYS

    def status(self) -> dict:
        return json.loads(self.run("dvc", "status", "--json").stdout.splitlines()[-1])

    def replace(self, file, old, new):
        """Change one line of a file, as an editor would."""
        text = (self.root / file).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        (self.root / file).write_text(text.replace(old, new))

    def bytes(self, file) -> bytes:
        return (self.root / file).read_bytes()

    def paid(self) -> int:
        """How many answers the store holds, over all models and prompts."""
        return sum(
            len(log.read_bytes().splitlines()) for log in (self.root / ".store").glob("answers/**/*.jsonl")
        )

    def commit(self, message):
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)


@pytest.fixture(scope="session")
def build_once(tmp_path_factory, worker_id):
    """A function that returns a folder which one of pytest's workers fills while the others wait."""
    own = tmp_path_factory.getbasetemp()
    common = own if worker_id == "master" else own.parent

    def build_once(name: str, fill) -> Path:
        folder, is_whole = common / name, common / f"{name}.is_whole"
        with (common / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_whole.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                is_whole.touch()
        return folder

    return build_once


@pytest.fixture(scope="session")
def baseline(repository, build_once) -> Checkout:
    """A clone whose pipeline has run once, on half of the demo library and with one penalty to be quick.

    Tests only read it.
    """

    def fill(folder):
        checkout = clone_tree_at_hand(repository, folder / "clone")
        for photos in ("imported", "2021", "2022", "2023"):
            shutil.rmtree(checkout.root / "data" / "demo" / "photos" / photos)
        checkout.replace("params.yaml", "  size: 140", "  size: 60")
        configuration = checkout.root / "conf" / "config.yaml"
        configuration.write_text(re.sub(r"l2: \[.*?\]", "l2: [0.001]", configuration.read_text()))
        checkout.repro()
        checkout.commit("baseline")

    return Checkout(build_once("baseline", fill) / "clone")


def clone_tree_at_hand(repository: Path, target: Path) -> Checkout:
    """Clone what is committed and lay the working tree over it, so that the tree at hand is tested."""
    subprocess.run(["git", "clone", "--quiet", str(repository), str(target)], check=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (repository / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, target / name)
    checkout = Checkout(target)
    checkout.run("git", "config", "user.email", "test@example.org")
    checkout.run("git", "config", "user.name", "Test")
    checkout.commit("the tree at hand")
    return checkout


@pytest.fixture
def checkout(baseline, tmp_path) -> Checkout:
    """A copy of the baseline that a test may change."""
    shutil.copytree(baseline.root, tmp_path / "checkout", symlinks=True)
    return Checkout(tmp_path / "checkout")


@pytest.fixture(scope="session")
def tiny_onnx(tmp_path_factory) -> Path:
    """An ONNX encoder of seeded random weights: 224 px in, 16 features `features` out."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(16, 3, 16, 16)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["data", "weights"], ["patches"], strides=[16, 16]),
            helper.make_node("Relu", ["patches"], ["positive"]),
            helper.make_node("GlobalAveragePool", ["positive"], ["features"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, 224, 224])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 16, 1, 1])],
        [numpy_helper.from_array(weights, "weights")],
    )
    path = tmp_path_factory.mktemp("onnx") / "encoder.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def new_photo():
    """A function that writes a photo nobody has seen and returns its image_id."""
    import xxhash
    from PIL import Image

    def write(path: Path) -> str:
        Image.linear_gradient("L").rotate(37).convert("RGB").save(path, "JPEG")
        return xxhash.xxh3_128_hexdigest(path.read_bytes())

    return write
