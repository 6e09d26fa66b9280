"""What a SavedModel records about itself, read without TensorFlow."""

from pathlib import Path
from typing import Any

from glowseis.export.folders import damaged, model_name, read_about, savedmodel_sha256
from glowseis.survey.matching.profile import Profile, profile_from, profile_lines

TRAINED_ON = "trained_on"
"""The key of what it was trained on, a profile."""

CARD = "README.md"
"""What a model is for, what it is not for and what it scored, beside its versions."""


def profile_in(about: dict[str, Any]) -> Profile | None:
    """The profile in a SavedModel's record; None if an older glowseis wrote it.

    Raises:
        KeyError, TypeError, ValueError: It cannot be read.
    """
    record = about.get(TRAINED_ON)
    return None if record is None else profile_from(record)


def about_lines(folder: Path) -> list[str]:
    """Describe in plain words what a SavedModel is and what it was trained on.

    Args:
        folder: The version's folder.

    Raises:
        InputError: Its record cannot be read.
    """
    about = read_about(folder)
    try:
        return [*_model(folder, about), *_training(about), *_figures(about), *_files(folder)]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as wrong:
        raise damaged(folder, about["kind"], wrong) from None


def _model(folder: Path, about: dict[str, Any]) -> list[str]:
    shape = "x".join(str(side) for side in about["image_shape"][:2])
    section = about.get("recipe", {}).get(about["kind"], {})
    settings = ", ".join(f"{key} {value}" for key, value in section.items())
    versions = about.get("versions", {})
    if about["kind"] == "classifier":
        what = f"a classifier ({', '.join(about['labels'])}) for images of {shape} samples x traces"
    else:
        what = f"a flow for images of {shape} samples x traces, for {about.get('label', 'unknown')} gathers"
    lines = [f"{folder}: {model_name(folder)}, {what}"]
    if settings:
        lines.append(f"  {settings}")
    made = f"glowseis {versions['glowseis']}" if "glowseis" in versions else "an unknown glowseis"
    commit = f", commit {about['commit']}" if about.get("commit") else ""
    recipe = f", recipe {about['recipe']['name']}" if about.get("recipe", {}).get("name") else ""
    survey = f", survey {about['survey']}" if about.get("survey") else ""
    lines.append(f"made by: {made}{commit}{recipe}{survey}")
    if "name" in (start := about.get("start", {})):
        lines.append(f"started from: {start['name']}, checksum {start['sha256'][:12]}")
    if labels := about.get("relabelling"):
        decides = f"; where judges disagree, {labels['judge']} decides" if labels["judge"] else ""
        told = f"labels: of {', '.join(labels['files'])}, in place of the survey's own{decides}"
        lines.append(f"{told}; checksum {labels['checksum'][:12]}")
    return lines


def _training(about: dict[str, Any]) -> list[str]:
    profile = profile_in(about)
    if profile is None:
        lines = [
            "trained on: unknown; the older glowseis that made it did not record sample interval, trace spacing, order "
            "of offsets and class fractions"
        ]
    else:
        lines = profile_lines(profile)
    if about["kind"] == "flow":
        return lines
    rule = about.get("combination")
    rule_of = f" of {about['rule_of']}," if "rule_of" in about else ""
    if rule is None or not rule["fitted_on"]:
        lines.append("gathers with several windows: mean of the windows' log-probabilities")
    else:
        lines.append(
            f"gathers with several windows: a rule{rule_of} fitted to {rule['fitted_on']} validation gathers, applied "
            f"in full from {rule['windows']:g} windows"
        )
    lines += _probabilities(about)
    measured = "measured" if about.get("unlike") else "not measured"
    return [*lines, f"distance from the training data (`unlike`): {measured}"]


def _probabilities(about: dict[str, Any]) -> list[str]:
    """How probabilities are calibrated, and how grades follow from them."""
    lines = []
    if calibration := about.get("calibration"):
        shares = zip(about["labels"], calibration["fractions"], strict=True)
        fitted = f" (fitted to {calibration['fitted_on']} validation gathers)" if calibration["fitted_on"] else ""
        lines.append(
            f"probabilities: for {', '.join(f'{label} {100 * share:.3g} %' for label, share in shares)}; temperature "
            f"{calibration['temperature']:.3g}{fitted}"
        )
    decision = about.get("decision") or {}
    if decision.get("threshold") is not None:
        lines.append(
            f"graded {about['labels'][-1]} from a probability of {decision['threshold']:.3g}, because a missed gather "
            f"costs {decision['missed_cost']:g} needless gradings"
        )
    if decision.get("unsure_below"):
        lines.append(f"graded unsure if no class has a probability of {decision['unsure_below']:g}")
    return lines


def _figures(about: dict[str, Any]) -> list[str]:
    figures = about.get("figures", {})
    lines = []
    for part in ("validation", "test"):
        if part in figures:
            each = zip(about["labels"], figures[part]["f1"], strict=True)
            told = ", ".join(f"{label} {100 * value:.1f}" for label, value in each)
            count = sum(figures[part]["support"])
            lines.append(f"{part}, {count:g} gathers: F1 in percent {told}")
    return lines


def _files(folder: Path) -> list[str]:
    """Checksum of its files, and where its model card is, if it has one."""
    card = folder.parent / CARD
    return [f"checksum: SHA-256 {savedmodel_sha256(folder)}", *([f"model card: {card}"] if card.is_file() else [])]
