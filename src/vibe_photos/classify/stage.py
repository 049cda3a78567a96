"""Stage `classify`: from probabilities to decisions, by thresholds and rules.

- Logits are first divided by the level's temperature (`classify.temperature`; 1 changes nothing).
- The scene is the most likely of those with a head; if none has one, of those with a prompt.
- An attribute or object is present from its threshold on (by short name, else `default`).
- An attribute of `classify.attribute_from_scene` is present if the photo has that scene (source `rule`); its
  score is that scene's probability.
- A present object makes its ancestors present, regardless of their scores: a keyboard is electronics.
- A label with neither a head nor a prompt is not judged: it has no row, and evaluation counts it as missing.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.calibration import apply_temperature
from vibe_photos.heads.linear import head_loss
from vibe_photos.records.label_tables import LabelTable, ScoreTable, Source, read_scores, write_labels
from vibe_photos.records.taxonomy import HEADS, head_keys, label_name, parent_key
from vibe_photos.records.taxonomy_check import check_names
from vibe_photos.settings import Classify, Settings, Taxonomy, Temperatures

log = logging.getLogger(__name__)


def classify_photos(settings: Settings) -> None:
    """Turn probabilities into labels by thresholds and rules.

    Raises:
        InputError: `probabilities.sqlite` is missing or not a label table.
        ConfigurationError: a threshold or rule names a label that is not in the taxonomy.
    """
    taxonomy, paths = settings.taxonomy, settings.paths
    check_names(taxonomy, settings.classify)
    table = decide_labels(read_scores(paths.probabilities), taxonomy, settings.classify)
    parents: dict[str, str | None] = {}
    for head in HEADS:
        keys = head_keys(taxonomy, head)
        parents |= {key: parent_key(key, keys) for key in keys}
    write_labels(paths.labels, table, parents)
    not_judged = sorted(set(parents) - set(table.keys))
    log.info(
        "classify: %d photos, %d labels judged, %d not judged (no head, no prompt)%s",
        len(table.image_ids),
        len(table.keys),
        len(not_judged),
        f": {', '.join(not_judged)}" if not_judged else "",
    )


def decide_labels(scores: ScoreTable, taxonomy: Taxonomy, classify: Classify) -> LabelTable:
    """Return the labels of all photos of `scores`; the names in `classify` must be valid."""
    scores = apply_temperatures(scores, taxonomy, classify.temperature)
    keys = {head: head_keys(taxonomy, head) for head in HEADS}
    judged = _choose_scenes(scores, keys["scene"])
    judged |= _apply_thresholds(scores, keys["attribute"], classify.attribute_threshold)
    judged |= _apply_thresholds(scores, keys["object"], classify.object_threshold)
    _apply_scene_rules(judged, keys["attribute"], classify.attribute_from_scene)
    _add_ancestors(judged, keys["object"])
    order = sorted(judged)
    shape = len(order), len(scores.image_ids)  # without labels, np.array gives another
    return LabelTable(
        image_ids=scores.image_ids,
        keys=order,
        level={key: head for head in HEADS for key in keys[head]},
        source={key: judged[key].source for key in order},
        threshold={key: judged[key].threshold for key in order},
        score=np.array([judged[key].probability for key in order]).reshape(shape).T,
        value=np.array([judged[key].value for key in order], dtype=np.int8).reshape(shape).T,
    )


def apply_temperatures(scores: ScoreTable, taxonomy: Taxonomy, temperatures: Temperatures) -> ScoreTable:
    """Return the scores with each level's temperature applied to its probabilities."""
    if temperatures == Temperatures():
        return scores
    probability = scores.probability.copy()
    for head in HEADS:
        keys = head_keys(taxonomy, head)
        keys = list_scenes(scores, keys) if head == "scene" else [key for key in keys if key in scores.keys]
        temperature = getattr(temperatures, head)
        if keys and temperature != 1.0:
            columns = [scores.keys.index(key) for key in keys]
            probability[:, columns] = apply_temperature(probability[:, columns], temperature, head_loss(head))
    return replace(scores, probability=probability)


def list_scenes(scores: ScoreTable, keys: Sequence[str]) -> list[str]:
    """Return the scenes among which is chosen: those with a head; if there is none, those with a prompt."""
    scored = [key for key in keys if key in scores.keys]
    return [key for key in scored if _find_source(scores, key) == "head"] or scored


@dataclass(frozen=True, slots=True)
class _Judgement:
    """One label's decisions on all photos: `value` bool [photos], `probability` float64 [photos]."""

    value: NDArray[np.bool_]
    probability: NDArray[np.float64]
    source: Source
    threshold: float | None


def _choose_scenes(scores: ScoreTable, keys: Sequence[str]) -> dict[str, _Judgement]:
    """Choose each photo's most likely scene; heads and prompts are not compared with each other."""
    candidates = list_scenes(scores, keys)
    if not candidates:
        return {}
    probability = scores.probability[:, [scores.keys.index(key) for key in candidates]]
    winner = probability.argmax(axis=1)
    return {
        key: _Judgement(winner == index, probability[:, index], _find_source(scores, key), None)
        for index, key in enumerate(candidates)
    }


def _apply_thresholds(
    scores: ScoreTable, keys: Sequence[str], thresholds: Mapping[str, float]
) -> dict[str, _Judgement]:
    """Judge every attribute or object that has a score."""
    judged = {}
    for key in keys:
        if key in scores.keys:
            threshold = thresholds.get(label_name(key), thresholds["default"])
            p = scores.probability[:, scores.keys.index(key)]
            judged[key] = _Judgement(p >= threshold, p, _find_source(scores, key), threshold)
    return judged


def _apply_scene_rules(
    judged: dict[str, _Judgement], attributes: Sequence[str], attribute_from_scene: Mapping[str, str]
) -> None:
    """Let scenes (keys) decide attributes (short names); by a scene without any score none is judged."""
    for key in attributes:
        scene = attribute_from_scene.get(label_name(key))
        if scene is not None:
            judged.pop(key, None)
            if scene in judged:
                judged[key] = replace(judged[scene], source="rule")


def _add_ancestors(judged: dict[str, _Judgement], objects: Sequence[str]) -> None:
    """Make the judged ancestors of present objects present, from the leaves up."""
    known = [key for key in objects if key in judged]
    for key in sorted(known, key=lambda key: (-key.count("."), key)):
        parent = parent_key(key, known)
        if parent is not None:
            judged[parent] = replace(judged[parent], value=judged[parent].value | judged[key].value)


def _find_source(scores: ScoreTable, key: str) -> Source:
    return "prompt" if np.isnan(scores.head_logit[:, scores.keys.index(key)]).all() else "head"
