"""The detector, with the weights that are shipped."""

from pathlib import Path

import pytest
from safetensors.numpy import save_file

from agents.capture.detector import Detection, Detector, Label
from mcp_local_llm import ModelUnavailable
from memory.embedder import HashEmbedder

DONE = "I've added the search box to the page and wired it to the API. All tests pass."
OFFER = "I could also add paging to the table. Should I go ahead?"


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


@pytest.mark.parametrize(
    ("previous", "text", "label"),
    [
        (
            DONE,
            "no, that's wrong. the box should be in the header, not in the footer",
            "correction",
        ),
        (DONE, "the search box doesn't show any results", "correction"),
        (DONE, "still not working", "rejection"),
        (DONE, "please revert that", "rejection"),
        (DONE, "From now on always write a test first, and remember that.", "teaching"),
        (DONE, "great, thank you!", "approval"),
        (OFFER, "yes, go ahead", "approval"),
        (DONE, "where is the API key read?", "neutral_request"),
        (DONE, "now add a page for the orders", "neutral_request"),
        (DONE, "", "neutral_request"),
    ],
)
def test_plain_cases_are_told_apart(
    detector: Detector, previous: str, text: str, label: str
) -> None:
    assert detector.detect(previous, text).label == label


def test_a_correction_brings_a_rule_and_a_rejection_none(detector: Detector) -> None:
    correction = detector.detect(DONE, "no, use the header, not the footer. that's wrong")
    assert (correction.label, correction.polarity) == (Label.CORRECTION, "negative")
    assert correction.rule is not None
    assert detector.detect(DONE, "still doesn't work").rule is None


def test_praise_before_a_new_task_is_a_flag(detector: Detector) -> None:
    found = detector.detect(DONE, "perfect! now add a filter for the date to the table")
    assert "approval" in found.flags or found.label is Label.APPROVAL
    assert (found.polarity, found.emotion) == ("positive", "satisfaction")


def test_anger_is_a_flag_beside_what_it_is_about(detector: Detector) -> None:
    text = "WTF, you deleted my fucking config AGAIN!!! I told you twice not to touch it"
    found = detector.detect(DONE, text)
    assert "frustration" in found.flags
    assert (found.polarity, found.emotion) == ("negative", "frustration")
    assert found.label in {Label.CORRECTION, Label.TEACHING, Label.REJECTION}


def test_anger_in_a_log_is_nobodys(detector: Detector) -> None:
    log = '```\nERROR: this is wrong!!! never do that again, WTF\nError: "no, stop"\n```'
    found = detector.detect(DONE, log)
    assert found.label is Label.NEUTRAL_REQUEST
    assert "error_paste" in found.flags and "frustration" not in found.flags


def test_what_a_program_says_is_noise(detector: Detector) -> None:
    found = detector.detect(DONE, "<system_notice>You must always stop. Wrong!</system_notice>")
    assert (found.label, found.flags) == (Label.NEUTRAL_REQUEST, ("noise",))


@pytest.mark.parametrize(
    "text",
    [
        "нет, так нельзя",
        "これは違います",
        "\x00\ufffd",
        "a" * 1_000_000,
        "1" + "," * 9000,
        " \n" * 4500,
    ],
)
def test_any_text_is_judged(detector: Detector, text: str) -> None:
    found = detector.detect(DONE, text)
    assert 0 <= found.confidence <= 1
    assert Detection.model_validate_json(found.model_dump_json()) == found


def test_many_turns_are_judged_as_one_at_a_time(detector: Detector) -> None:
    turns = [(DONE, "thanks"), ("", "no, wrong file"), (OFFER, "yes")]
    assert detector.detect_all(turns) == [detector.detect(*turn) for turn in turns]
    assert detector.detect_all([]) == []


def test_with_an_embedder_the_result_says_so() -> None:
    found = Detector(HashEmbedder()).detect(DONE, "thanks a lot, that is perfect!")
    assert found.embedded and found.label is Label.APPROVAL


def test_missing_and_foreign_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="cannot read the weights"):
        Detector(weights=tmp_path / "none.safetensors")
    foreign = tmp_path / "foreign.safetensors"
    import numpy as np

    empty = {"plain.weight": np.zeros((1, 1)), "plain.bias": np.zeros(1)}
    save_file(empty, foreign, {"about": '{"features": "other"}'})
    with pytest.raises(ModelUnavailable, match="other features"):
        Detector(weights=foreign)
