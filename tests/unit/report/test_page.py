"""The page as a browser and an attacker would read it."""

import base64
import io
import json
import logging
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from PIL import Image
from tests.unit.report.conftest import HOSTILE

from vibe_photos.report.mistakes import MOST_PHOTOS_OF_A_KIND, MOST_SUSPECTS_OF_A_HEAD
from vibe_photos.report.stage import MOST_KINDS_OF_A_LEVEL, render_report, show_code
from vibe_photos.report.tables import describe_anchoring, format_share
from vibe_photos.settings import Settings
from vibe_photos.statistics.summary import SCORE_HALF, begin_figures
from vibe_photos.storage.files import write_json

VOID = {"meta", "img", "line", "circle", "path", "rect"}


class Page(HTMLParser):
    """Collects tags, attributes, texts; refuses tags that do not close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]


def render(settings: Settings) -> tuple[str, Page]:
    render_report(settings)
    html = settings.paths.report.read_text()
    page = Page(html)
    assert page.open == []
    return html, page


def test_nothing_is_fetched_and_nothing_runs(full_run: Settings) -> None:
    html, page = render(full_run)
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.values("src"))
    assert page.values("src")
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & page.tags.keys()
    assert all(link.startswith("#") for link in page.values("href"))
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    css = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert css
    assert "url(" not in css[1]
    assert "@import" not in css[1]


def test_hostile_names_and_words_are_text(full_run: Settings) -> None:
    _, page = render(full_run)
    text = "".join(page.text)
    # As the teacher's model, as its unmapped word, and as a photo's name.
    assert text.count("<script>alert(1)") >= 2
    assert any("<script>" in title for title in page.values("title"))
    assert any("<script>" in alt for alt in page.values("alt"))


def test_every_picture_says_what_it_is(full_run: Settings) -> None:
    _, page = render(full_run)
    assert len(page.values("alt")) == page.tags["img"]
    assert all("labelled" in alt for alt in page.values("alt"))
    plots = [attributes for tag, attributes in page.elements if tag == "svg" and "overflow" not in attributes]
    assert len(plots) > 5
    assert all(plot.get("aria-label") or plot.get("aria-hidden") for plot in plots)


def test_thumbnails_carry_no_metadata_and_stand_upright(full_run: Settings) -> None:
    _, page = render(full_run)
    for source in page.values("src"):
        data = base64.b64decode(source.partition(",")[2])
        assert b"Exif" not in data
        assert b"SECRET" not in data
        with Image.open(io.BytesIO(data)) as image:
            assert not image.getexif()
            assert "comment" not in image.info
            assert image.size == (180, 240)


def test_the_page_stays_small_however_many_mistakes_there_are(full_run: Settings) -> None:
    _, page = render(full_run)
    largest = max(len(source) for source in page.values("src"))
    # Noise is the worst there is for JPEG; three levels of labels, three heads.
    most = 3 * MOST_KINDS_OF_A_LEVEL * MOST_PHOTOS_OF_A_KIND + 3 * MOST_SUSPECTS_OF_A_HEAD
    assert most * largest < 9_500_000


def test_same_inputs_same_bytes_and_no_places(full_run: Settings, tmp_path: Path) -> None:
    first, _ = render(full_run)
    second, _ = render(full_run)
    assert first == second
    assert str(tmp_path) not in first


def test_figures_are_those_of_the_metrics(full_run: Settings) -> None:
    html, page = render(full_run)
    text = " ".join("".join(page.text).split())
    # Every second of 24 photos is right, drawn from 48: Wilson at 24 of 48 is 36 to 64. The teacher missed
    # one.
    assert "0 %50 %100 % Scene right 50 % 36–64 ◇ 96 %" in text
    assert "compared with what people said of 24 photos" in text
    assert "the student, learned from its answers about 100 photos and labelled 24 photos." in text
    assert "learned from none of these photos" in text
    assert "student 50 %, teacher 96 %" in html
    assert "Food labelled as People 12" in text
    assert "scene photos right when given found F1 teacher's F1 Food 24 100 % on 12 50 % 67 % on 12 " in text
    assert "attribute photos with it right when given found F1 F1 interval teacher's F1" in text
    # Text is given to all 24 photos, of which 12 have it: no interval, and of how few.
    assert "Text right when given 50 % 36–64 ◇ 100 % found 100 % on 12 (weighted)" in text
    assert "100 photos trained it, 1 label by people, 9 labels learned, 2 too rare to learn" in text


def test_it_is_said_which_objects_can_be_named_and_which_cannot(full_run: Settings) -> None:
    _, page = render(full_run)
    text = " ".join("".join(page.text).split())
    # Drink is given to every second photo, food to the others; it has few training photos, but is given.
    assert "Of 25 object labels the student gives 2: Drink, Food." in text
    fewest = full_run.train.object.min_positive
    assert f"It gives 1 of these by text prompt, because fewer than {fewest} training photos show" in text
    assert f"Too few training photos show these to learn them ({fewest} are needed): Electronics (3)" in text
    assert "It is never sure enough of these: Packaging, " in text
    # All 24 photos show a drink, and each second has it as the best guess.
    assert "On photos that show an object, its best exact guess is right on 50 %" in text
    assert "objects student interval teacher right when given (precision) 50 % 36–64" in text


def test_a_student_that_learned_nothing_is_called_that(
    full_run: Settings, change_metrics: Callable[[Path, dict], None]
) -> None:
    for head in ("scene", "object"):
        change_metrics(full_run.paths.eval / f"train_{head}.json", {"n_train": 0})
    _, page = render(full_run)
    assert "the student learned nothing" in " ".join("".join(page.text).split())


def test_what_does_not_count_as_the_others_do_is_said(
    full_run: Settings, change_metrics: Callable[[Path, dict], None]
) -> None:
    metrics = full_run.paths.eval / "human" / "metrics.json"
    assert "How many photos the figures represent is not known" in "".join(render(full_run)[1].text)
    change_metrics(metrics, {"speaks_for": 24, "library": 24})
    assert (
        "The figures are about the library as it was when the sample was drawn, all 24 photos."
        in " ".join("".join(render(full_run)[1].text).split())
    )
    powered = {"scene": {"accuracy": 0.5, "accuracy_with_skipped": [0.48, 0.52]}, "attributes": {}}
    change_metrics(
        metrics,
        {
            "about": "the library of today", "speaks_for": 20, "skipped": 1, "waiting": 1, "missing": 2,
            "to_speak_for_all": "review these: people (4 photos)", "prediction_powered": powered,
            "trained_on": 3,
        },
    )  # fmt: skip
    change_metrics(full_run.paths.eval / "teacher" / "metrics.json", {"not_asked": 1})
    text = " ".join("".join(render(full_run)[1].text).split())
    for sentence in (
        "The student learned from 3 of these, so the figures look better than they should.",
        "The figures are about the library of today: 20 of 24 photos.",
        "To make them represent all photos, review these: people (4 photos).",
        "Shown and skipped: 1 photo, assumed to be like the others.",
        "If all of these had a wrong scene, 48 % of the scenes would be right; if none, 52 %.",
        "Checked out of order, so not counted yet: 1 photo.",
        "Without any label, so counted as wrong: 2 photos.",
        "The teacher was never asked about 1 photo of these; its figures are about the others.",
    ):
        assert sentence in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0 %"), (0.004, "< 1 %"), (0.995, "> 99 %"), (1.0, "100 %"), (0.994, "99 %")],
)
def test_only_all_is_a_hundred_percent(value: float | None, text: str) -> None:
    assert format_share(value) == text


def test_calibration_is_told_of_both_truths(full_run: Settings) -> None:
    html, page = render(full_run)
    text = " ".join("".join(page.text).split())
    errors = json.loads((full_run.paths.eval / "human" / "metrics.json").read_text())["calibration_error"]
    # Said with 0.9 eleven times and true, with 0.8 twelve times and true, once with 0.95 and false:
    # (11 * 0.1 + 12 * 0.2 + 0.95) / 24, of which 0.9 and 0.95 share no bin.
    noise = json.loads((full_run.paths.eval / "human" / "metrics.json").read_text())["calibration_noise"]
    assert (
        f"Scene off by {100 * errors['scene']:.1f} (chance: up to {100 * noise['scene']:.1f}) · 18.5" in text
    )
    assert html.count('class="curve-plot"') == html.count("average precision ") // 2 + len(errors)


def test_what_the_teacher_probably_got_wrong_is_shown_with_its_id(full_run: Settings) -> None:
    _, page = render(full_run)
    text = " ".join("".join(page.text).split())
    assert "Where the teacher may be wrong" in text
    name = HOSTILE.replace("/", "")
    assert f"Scenes 1 Food People 95 % {name} vibe-photos review --only {0:031x}" in text
    (full_run.paths.models / "scene_out_of_fold.npz").unlink()
    assert "Where the teacher may be wrong" not in "".join(render(full_run)[1].text)


def test_figures_of_the_whole_library_stand_beside_those_of_people_alone(
    full_run: Settings, change_metrics: Callable[[Path, dict], None]
) -> None:
    metrics = full_run.paths.eval / "human" / "metrics.json"
    change_metrics(metrics, {"prediction_powered": {"reason": "no photo was drawn"}})
    assert "What is in the whole library?" not in render(full_run)[0]
    powered = {
        "scene": {
            "accuracy": 0.74,
            "accuracy_interval": [0.68, 0.79],
            "accuracy_ppi": 0.73,
            "accuracy_ppi_interval": [0.7, 0.76],
        },
        "attributes": {
            "has_text": {"prevalence": 0.3, "prevalence_interval": "n < 20", "prevalence_ppi": 0.31,
                         "prevalence_ppi_interval": "n < 20"},
            "has_animal": {"prevalence": None},
        },
    }  # fmt: skip
    change_metrics(metrics, {"prediction_powered": powered})
    html, page = render(full_run)
    text = " ".join("".join(page.text).split())
    assert "Scene student is right 74 % 68–79 73 % 70–76" in text
    assert "Text share of photos 30 % 31 %" in text
    assert "Scene student is right: checked photos alone 74 %, with the teacher 73 %" in html


def test_it_is_said_where_only_half_of_the_audited_photos_count(
    full_run: Settings, change_metrics: Callable[[Path, dict], None]
) -> None:
    change_metrics(full_run.paths.eval / "human" / "metrics.json", {"scored_on": SCORE_HALF})
    _, page = render(full_run)
    text = " ".join("".join(page.text).split())
    assert "Only half of the checked photos count here: the thresholds were chosen on the other half." in text


def test_without_the_photos_the_mistakes_have_names_instead(full_run: Settings) -> None:
    away = msgspec.structs.replace(full_run.library, root="/nowhere/at/all")
    _, page = render(msgspec.structs.replace(full_run, library=away))
    assert page.tags["img"] == 0
    assert "The photos are not available here" in "".join(page.text)
    assert "23.jpg" in "".join(page.text)


def test_an_unreadable_photo_leaves_the_others(full_run: Settings) -> None:
    (Path(full_run.library.root) / "2.jpg").write_bytes(b"no picture")
    _, page = render(full_run)
    assert page.tags["img"] > 0
    assert "2.jpg" in "".join(page.text)


def test_an_empty_run_names_every_missing_piece(empty_run: Settings) -> None:
    _, page = render(empty_run)
    text = " ".join("".join(page.text).split())
    for stage in ("scan", "annotate", "convert", "split", "train@scene", "evaluate@human", "agreement"):
        assert f"dvc repro {stage}" in text
    assert "nothing yet to compare the labels with" in text
    assert "How to begin" in text


def test_without_audited_photos_the_teacher_is_the_measure(
    full_run: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    human, auto = full_run.paths.eval / "human", full_run.paths.eval / "auto"
    assert "Each row is a true scene" in render(full_run)[0]
    human.rename(auto)
    with caplog.at_level(logging.INFO):
        html, page = render(full_run)
    text = " ".join("".join(page.text).split())
    assert "No photo of the review sample is checked yet" in text
    # What the teacher says is not called true.
    assert "Each row is what the teacher says" in text
    assert "rows are the teacher&#39;s scenes" in html
    assert "true scene" not in text
    assert "run <code>vibe-photos review</code>" in html
    assert "How to begin" in text
    # The last line of a repro leads to the page too.
    assert caplog.messages[-1].startswith("next: no photo of the review sample is checked yet: run `vibe-pho")


def test_the_page_says_how_many_photos_people_taught(
    full_run: Settings, change_metrics: Callable[[Path, dict], None]
) -> None:
    change_metrics(full_run.paths.eval / "teach.json", {"photos_taught": 12})
    text = " ".join("".join(render(full_run)[1].text).split())
    assert "learned from its answers about 100 photos (12 of them taught by people) and labelled" in text


def test_what_stands_in_backticks_is_code_and_nothing_else_is() -> None:
    assert show_code("run `dvc repro`, <b>") == "run <code>dvc repro</code>, &lt;b&gt;"


def test_the_page_says_why_nothing_is_measured(full_run: Settings) -> None:
    write_json(full_run.paths.eval / "human" / "metrics.json", begin_figures("human", unscored=12))
    _, page = render(full_run)
    text = " ".join("".join(page.text).split())
    assert "How to begin: thresholds were tuned on all photos that people checked so far" in text


@pytest.mark.parametrize(
    ("server", "root", "title"),
    [
        ("replay", "data/demo/photos", "Rendered photos, simulated teacher."),
        ("replay", "elsewhere", "Simulated teacher."),
        ("openai", "elsewhere", None),
    ],
)
def test_a_simulated_run_is_called_that(
    full_run: Settings, server: str, root: str, title: str | None
) -> None:
    settings = msgspec.structs.replace(
        full_run,
        teacher=msgspec.structs.replace(full_run.teacher, server=server),
        library=msgspec.structs.replace(full_run.library, root=root),
    )
    html, _ = render(settings)
    assert (title in html) if title else ("imulated teacher" not in html)


def test_how_much_the_teachers_answer_influenced_people_is_said(
    full_run: Settings, change_metrics: Callable[[Path, dict], None]
) -> None:
    assert "It was hidden on" not in "".join(render(full_run)[1].text)
    anchoring = {"difference": 0.042, "difference_interval": [-0.031, 0.118]}
    anchoring |= {"assisted": 180, "unassisted": 21}
    change_metrics(full_run.paths.eval / "teacher" / "metrics.json", {"anchoring": anchoring})
    assert (
        "Where people saw the teacher's answer before they judged, they agreed with its scene on 4.2 more of "
        "100 photos than where it was hidden. It was hidden on 21 photos. The true difference is probably "
        "between \u22123.1 and +11.8. This may be chance."
    ) in " ".join("".join(render(full_run)[1].text).split())
    less = anchoring | {"difference": -0.1, "difference_interval": [-0.18, -0.02]}
    assert describe_anchoring(less).endswith(
        "on 10.0 fewer of 100 photos than where it was hidden. It was hidden on 21 photos. "
        "The true difference is probably between \u221218.0 and \u22122.0."
    )
    few = anchoring | {"difference_interval": "n < 20", "unassisted": 3}
    assert describe_anchoring(few) == ""
    none = few | {"difference": None, "assisted": 0}
    assert "hidden on all photos that were judged on the review page (3 photos)" in describe_anchoring(none)


def test_the_contents_and_the_confusion_matrix_lead_to_what_is_there(full_run: Settings) -> None:
    _, page = render(full_run)
    links, ids = page.values("href"), page.values("id")
    assert len(set(ids)) == len(ids)
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert links[:2] == ["#headline", "#scenes"]
    assert "#scene-food-people" in links
    (sheet,) = [element for element in page.elements if element[1].get("id") == "scene-food-people"]
    assert sheet[1]["class"] == "sheet"


def test_rarer_kinds_of_mistakes_have_names_and_commands_without_pictures(
    full_run: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibe_photos.report.stage.MOST_KINDS_OF_A_LEVEL", 0)
    (full_run.paths.models / "scene_out_of_fold.npz").unlink()
    _, page = render(full_run)
    text = " ".join("".join(page.text).split())
    assert page.tags["img"] == 0
    # The student is surest of the last of the photos that it gives to people.
    assert f"1 rarer kind Food labelled as People 12 22.jpg vibe-photos review --only {22:031x}" in text
    assert "#scene-food-people" in page.values("href")
    assert "scene-food-people" in page.values("id")


def test_figures_of_few_photos_are_small_and_say_of_how_many(full_run: Settings) -> None:
    html, _ = render(full_run)
    assert '<td class="few">100 % <small>on 12</small></td>' in html
    assert "<td>50 %</td>" in html, "the share of all 24 photos"
    assert html.count('<span class="value few">100 %') == 1, "12 photos have text"
    assert '<span class="value">50 %' in html


def test_every_label_has_its_meaning(full_run: Settings) -> None:
    _, page = render(full_run)
    text = " ".join("".join(page.text).split())
    assert f"Snapshot{full_run.taxonomy.definitions['scene.snapshot'].means}" in text
    bare = msgspec.structs.replace(full_run.taxonomy, definitions={})
    _, page = render(msgspec.structs.replace(full_run, taxonomy=bare))
    assert "Snapshotnot defined yet" in " ".join("".join(page.text).split())
