"""Fixed wording is found, and nothing else."""

from bias_platform.models.recurring_phrases import recurring_phrases


def test_wording_around_a_slot_is_found() -> None:
    people = ["a man", "a woman", "an old baker", "a non-binary person", "somebody else"]
    texts = [f"Play the part of {person} in all you say." for person in people for _ in range(3)]
    assert recurring_phrases(texts, share=0.9) == [" in all you say.", "Play the part of"]


def test_phrases_end_at_line_breaks_so_that_lines_can_change_places() -> None:
    texts = [f"Question one?\nYes: it is\nNo: it is not\nPost: {word}" for word in ("tea", "bus", "lamp")]
    assert recurring_phrases(texts, share=0.9) == ["\nNo: it is not", "\nPost:", "\nYes: it is", "Question one?"]


def test_a_phrase_below_the_share_is_left_alone() -> None:
    texts = ["the old town hall"] * 2 + [f"word{number} alone{number}" for number in range(8)]
    assert recurring_phrases(texts, share=0.5) == []
    assert recurring_phrases(texts, share=0.2) == ["the old town hall"]


def test_no_texts() -> None:
    assert recurring_phrases([]) == []
