"""The numbers of [filter] and [retry]: what they are unless said otherwise, and how far they may go."""

import pytest
from pydantic import ValidationError

from crawler.rules.settings import FilterSettings, RetrySettings


def test_what_holds_unless_said_otherwise() -> None:
    """All ages, whoever made it, with any number of bookmarks and pages, every kind; five tries, 1 s to 120 s apart."""
    assert FilterSettings().model_dump() == {
        "max_x_restrict": 0,
        "ai": "any",
        "min_bookmarks": 0,
        "max_pages": 0,
        "kinds": ("illust", "manga", "ugoira"),
        "tags_any": (),
        "tags_none": (),
    }
    assert RetrySettings().model_dump() == {"attempts": 5, "base_s": 1, "cap_s": 120}


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("max_x_restrict", 0, 2), ("min_bookmarks", 0, None), ("max_pages", 0, None)],
)
def test_how_far_a_filter_may_go(name: str, least: int, most: int | None) -> None:
    """The least and the most are taken, one beyond them is refused."""
    top = 10**9 if most is None else most
    for value in (least, top):
        assert getattr(FilterSettings.model_validate({name: value}), name) == value
    for value in (least - 1, *(() if most is None else (most + 1,))):
        with pytest.raises(ValidationError):
            FilterSettings.model_validate({name: value})


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("attempts", (1, 2, 999, 1000), (0, 1001)),
        ("base_s", (0.001, 0.5, 3600), (0, -0.001, 3600.001)),
        ("cap_s", (0.001, 0.5, 86400), (0, -0.001, 86400.001)),
    ],
)
def test_how_far_patience_may_go(name: str, taken: tuple[float, ...], refused: tuple[float, ...]) -> None:
    """From one try to a thousand; pauses longer than nothing, the first up to an hour, the longest up to a day."""
    for value in taken:
        assert getattr(RetrySettings.model_validate({name: value}), name) == value
    for value in refused:
        with pytest.raises(ValidationError):
            RetrySettings.model_validate({name: value})
