"""What is found once for an origin is what every URL of it would give."""

from hypothesis import given, settings
from hypothesis import strategies as st
from protego import Protego

from crawler.fetch.robots import AGENT, spelt_rules
from crawler.fetch.where import Origins, host_key, origin_of, parse_url

PATHS = st.text("/ab.*$?#=é ", max_size=12).map(lambda tail: "/" + tail)
FIELDS = st.sampled_from(["Disallow", "disallow", "Dissallow", "Allow", "User-agent", "Sitemap", "Crawl-delay", "x"])


@settings(deadline=None, max_examples=300)
@given(
    lines=st.lists(st.tuples(FIELDS, st.text("/ab*$%41é #:", max_size=8)), max_size=6),
    path=st.text("/ab.?=-", max_size=8),
)
def test_what_no_rule_begins_like_is_allowed(lines: list[tuple[str, str]], path: str) -> None:
    """A path that begins like no line of a robots.txt is one that Protego allows, whatever the file says."""
    text = "User-agent: *\n" + "\n".join(f"{name}: {value}" for name, value in lines)
    path = "/" + path
    if not path.startswith(spelt_rules(text)):
        assert Protego.parse(text).can_fetch(f"https://a.test{path}", AGENT)


@settings(deadline=None, max_examples=200)
@given(
    base=st.sampled_from(
        ["http://a.test", "https://a.test:444", "http://127.0.0.1:8080", "http://A.test", "http://a.test."]
    ),
    paths=st.lists(PATHS, min_size=2, max_size=4),
)
def test_a_known_origin_changes_nothing(base: str, paths: list[str]) -> None:
    """Whether its origin was met before makes no difference to where a URL leads; nor how often it is asked."""
    origins = Origins()
    for path in paths:
        found, url = origins.where(base + path), parse_url(base + path)
        assert (found.origin.id, found.origin.key) == (origin_of(url), host_key(url))
        assert parse_url(found.text) == url
