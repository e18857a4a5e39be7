"""What speaks for a pair: works made by hand, one thing changed at a time."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.model import Tag, Work
from crawler.pairs.evidence import (
    TAGS,
    WEIGHTS,
    Facts,
    Suggestion,
    about,
    facts_of,
    is_older,
    promising,
    rivals,
    score_of,
    suggestions,
    told,
    weigh,
)


def work(id: int, text: str = "", *tags: str, user: int = 0, title: str = "絵", date: str = "") -> Facts:
    """A work; of a user of its own unless one is named."""
    made = date or f"2014-01-01T00:{id % 60:02d}:00+00:00"
    named = tuple(Tag(name=tag) for tag in tags)
    return facts_of(
        Work(id=id, title=title, description=text, tags=named, user_id=user or id + 1000, created=made, page_count=2)
    )


SKETCH = work(1, "線画です。", "線画")
COLORED = work(2, "素敵な線画 illust/1 を塗らせていただきました！", "塗ってみた")


def only(*works: Facts) -> Suggestion:
    (found,) = suggestions({one.id: one for one in works}, TAGS)
    return found


def score(*works: Facts, match: float | None = None) -> float:
    return score_of(weigh(only(*works), TAGS, match))


def test_the_usual_pair() -> None:
    """A tagged colouring that says so and links to older line art is very likely one, the right way around."""
    found = only(SKETCH, COLORED)
    assert (found.colored.id, found.sketch.id) == (2, 1)
    assert score(SKETCH, COLORED) > 0.9
    assert told(found, TAGS) == {
        "tags": ["塗ってみた"],
        "link": "illust/1",
        "form": "text illust",
        "words": "素敵な線画 illust/1 を塗らせていただきました！",
        "dates": ["2014-01-01T00:02:00+00:00", "2014-01-01T00:01:00+00:00"],
        "pages": [2, 2],
        "same_author": False,
        "older": True,
        "linked_by": "colored",
        "mutual": False,
    }


@pytest.mark.parametrize(
    ("sketch", "colored"),
    [
        (SKETCH, replace(COLORED, tags=())),
        (replace(SKETCH, tags=()), COLORED),
        (SKETCH, work(2, "illust/1 の続き", "塗ってみた")),
        (SKETCH, work(2, "illust/1 に憧れて自分でも描いてみました", "塗ってみた")),
        (replace(SKETCH, tags=("塗ってみた",)), COLORED),
        (replace(SKETCH, user_id=COLORED.user_id), COLORED),
        (work(1, "", "線画", date="2015-01-01T00:00:00+00:00"), COLORED),
    ],
    ids=["untagged", "no line art", "sequel", "homage", "tagged sketch", "own", "younger"],
)
def test_what_speaks_against(sketch: Facts, colored: Facts) -> None:
    """Each of these makes the usual pair less likely."""
    assert score_of(weigh(Suggestion(colored, sketch, colored.links[0], colored), TAGS)) < score(SKETCH, COLORED)


def test_pictures_decide() -> None:
    """Lines that agree lift a link that says nothing; lines that do not sink the best of words."""
    bare = work(2, "illust/1")
    plain = work(1)
    assert score(plain, bare, match=0.99) > score(plain, bare) + 0.2
    assert score(SKETCH, COLORED, match=0.01) < 0.5 < score(SKETCH, COLORED, match=0.99)


def test_the_artist_links_back() -> None:
    """A sketch's description that names its colouring suggests the pair, the same way around; both ways is one pair."""
    back = work(1, "塗っていただきました！ illust/2", "線画")
    found = only(back, replace(COLORED, reading=work(2).reading))
    assert (found.colored.id, found.sketch.id, found.teller.id) == (2, 1, 1)
    both = only(back, COLORED)
    assert both.mutual
    assert score_of(weigh(both, TAGS)) > score(SKETCH, COLORED)


def test_a_colouring_is_of_one_sketch() -> None:
    """Of two linked sketches the one whose lines fit far better is believed; two that fit alike are both kept."""
    two = suggestions({one.id: one for one in (SKETCH, work(3), work(9, "illust/1 illust/3"))}, TAGS)
    assert [one.sketch.id for one in two] == [1, 3]
    assert rivals(two, {0: 0.2, 1: 0.99}) == {0}
    assert rivals(two, {0: 0.98, 1: 0.99}) == set()
    assert rivals(two, {0: 0.01}) == rivals(two, {0: 0.01, 1: 0.3}) == set()  # there is no better one
    assert rivals(two, {}) == set()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("illust/1 の続き<br />塗りました", "の続き"),
        ("塗ってみた<br />illust/1", "塗ってみた"),
        ("illust/1<br />をお借りしました", "をお借りしました"),
        ("線画 illust/1 と illust/2", "線画 と"),
        ("a<br />b<br />→illust/1<br />c<br />d", "b c"),
        ("illust/1", ""),
    ],
)
def test_the_words_about_a_link(text: str, words: str) -> None:
    """Its own line up to the next links; where that is bare, the lines next to it."""
    facts = work(9, text)
    assert " ".join(about(facts, facts.links[0]).replace("→", "").split()) == words


def test_who_is_worth_asking_for() -> None:
    """A tag, a title or words of colouring; links to itself are none."""
    for facts in (work(2, "illust/1", "塗ってみた"), work(2, "illust/1", title="塗ってみた"), work(2, "線画 illust/1")):
        assert promising(facts, facts.links[0], TAGS)
    facts = work(2, "前作 illust/1 illust/2")
    assert not promising(facts, facts.links[0], TAGS)
    assert [link.id for link in facts.links] == [1]


def test_what_is_older() -> None:
    """Dates decide where both are told; else the site's numbers, which grow; of the same minute neither is older."""
    early, late = "2014-01-01T00:00:00+00:00", "2014-01-01T09:01:00+09:00"
    assert is_older(work(5, date=early), work(4, date=late)) is True
    assert is_older(work(5, date=late), work(4, date=early)) is False
    assert is_older(work(5, date=early), work(4, date=early)) is None
    assert is_older(work(5, date="nonsense"), work(4, date=early)) is False


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.lists(
                st.sampled_from(["illust/1 ", "illust/2", "塗", "続き", "<br />", "user/1002", "pixiv #3"]), max_size=6
            ),
            st.lists(st.sampled_from([*TAGS, "線画", "女の子"]), max_size=2),
        ),
        min_size=3,
        max_size=3,
    ),
    st.none() | st.floats(0, 1),
)
def test_any_works(said: list[tuple[list[str], list[str]]], match: float | None) -> None:
    """Whatever works say: each two are one suggestion at most, weighed by names that have weights, scored 0 to 1."""
    works = {n: work(n, "".join(text), *tags) for n, (text, tags) in enumerate(said, 1)}
    found = suggestions(works, TAGS)
    assert len({frozenset((one.colored.id, one.sketch.id)) for one in found}) == len(found)
    for one in found:
        weighed = weigh(one, TAGS, match)
        assert set(weighed) == set(WEIGHTS)
        assert 0 <= score_of(weighed) <= 1
        assert one.colored.id != one.sketch.id
