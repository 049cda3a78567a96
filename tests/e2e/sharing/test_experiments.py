"""A grid of thresholds and mappings, as docs/SHARING.md tells it: queued, run, compared; nothing is paid."""

import csv
import io
import re
import time

import pytest

MOST_WAITED_SECONDS = 1200

pytestmark = pytest.mark.timeout(1500)


def test_a_grid_of_thresholds_and_mappings_pays_nothing_and_is_compared(owner, documented):
    queue, start, status, show, compare, apply, *_ = documented("Comparing configurations")
    mapping = (owner.root / "conf/taxonomy/m2.yaml").read_text()
    coarse = mapping.replace("\n  dessert: object.food.dessert", "\n  dessert: object.food")
    (owner.root / "conf/taxonomy/coarse.yaml").write_text(coarse)
    # No recorded answer is left: whatever is asked again fails, and the experiment with it.
    (owner.root / "data/demo/teacher_answers.simulated.jsonl").write_text("")
    owner.commit("a coarser mapping")
    before = owner.paid()

    owner.shell(queue)
    owner.shell(start)
    _wait_for_workers(owner, status)
    grid = {
        (row["use.taxonomy"], row["params.yaml:classify.attribute_threshold.has_person"]): row
        for row in csv.DictReader(io.StringIO(owner.run("dvc", "exp", "show", "--csv").stdout))
        if row["State"] == "Success"
    }
    assert set(grid) == {(taxonomy, share) for taxonomy in ("m2", "coarse") for share in ("0.3", "0.6")}
    assert owner.paid() == before
    for row in grid.values():
        log = owner.run("dvc", "queue", "logs", row["Experiment"]).stdout
        ran = set(re.findall("Running stage '([^']+)'", log))
        assert not ran & {"annotate", "embed", "train@scene", "train@attribute", "report"}
    recall = "data/eval/human/metrics.json:attributes.has_person.recall"
    assert float(grid["m2", "0.3"][recall]) > float(grid["m2", "0.6"][recall])
    assert grid["m2", "0.3"][recall] == grid["coarse", "0.3"][recall]

    table = owner.shell(show)
    columns = [column.strip() for column in table.splitlines()[0].strip("|").split("|")]
    assert columns[0] == "Experiment"
    assert len(columns) == 5
    better, worse = grid["m2", "0.3"]["Experiment"], grid["m2", "0.6"]["Experiment"]
    said = owner.shell(re.sub(r"compare \S+ \S+", f"compare {worse} {better}", compare))
    assert f"{better} (B) against {worse} (A)" in said
    assert "Person F1" in said
    owner.shell(re.sub(r"apply \S+", f"apply {better}", apply))
    assert "has_person: 0.3" in owner.bytes("params.yaml").decode()


def _wait_for_workers(owner, status):
    """Wait until nothing is queued or running, and the worker has ended."""
    for _ in range(MOST_WAITED_SECONDS):
        said = owner.shell(status)
        if not re.search("Queued|Running", said) and "0 active, 0 idle" in said:
            return
        time.sleep(1)
    pytest.fail(f"the queue did not end:\n{said}")
