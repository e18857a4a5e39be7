"""The stand-in's faults are planned, of every kind, and heal; its secret limit lets through what it says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.origin.faults import API_KINDS, IMAGE_KINDS, PROFILES, SOFT, FaultKind, Profile, fault, plan
from crawler.origin.limits import Bucket

PATHS = [f"/x/{n}" for n in range(3000)]
WHERE = {"www.pixiv.net": API_KINDS, "i.pximg.net": IMAGE_KINDS}


@settings(deadline=None, max_examples=200)
@given(st.integers(), st.sampled_from(sorted(WHERE)), st.text(), st.sampled_from(sorted(PROFILES)))
def test_a_patient_crawler_gets_everything(seed: int, host: str, path: str, name: str):
    """A path fails at most three times in a way that counts, at most twice with 429 or 503, and then never again."""
    profile = PROFILES[name]
    kinds = [one.kind if one else None for one in (fault(profile, seed, host, path, nth) for nth in range(20))]
    first_good = kinds.index(None)
    assert set(kinds[first_good:]) == {None}
    assert sum(kind not in SOFT for kind in kinds[:first_good]) <= 3
    assert sum(kind in SOFT for kind in kinds[:first_good]) <= 2
    assert all(0.3 <= one.share < 0.8 for one in plan(profile, seed, host, path))
    assert plan(profile, seed, host, path) == plan(profile, seed, host, path)


@pytest.mark.parametrize(("name", "share"), [("none", 0.0), ("flaky", 0.08), ("harsh", 0.35)])
def test_profiles_spoil_their_share_of_paths(name: str, share: float):
    """The share of paths with faults is the profile's."""
    spoilt = sum(bool(plan(PROFILES[name], 1, "i.pximg.net", path)) for path in PATHS)
    assert abs(spoilt / len(PATHS) - share) < 0.03


@pytest.mark.parametrize("host", sorted(WHERE))
def test_every_kind_of_fault_is_reached(host: str):
    """Under `harsh` every kind that a host can show occurs, and no other."""
    found = {one.kind for path in PATHS for one in plan(PROFILES["harsh"], 1, host, path)}
    assert found == {*WHERE[host], *SOFT}


def test_between_them_the_hosts_show_every_kind():
    """No kind of fault is defined and never injected."""
    assert {*API_KINDS, *IMAGE_KINDS, *SOFT} == set(FaultKind)


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_profile_of_one_kind_shows_that_kind(kind: FaultKind):
    """With every path spoilt by one kind, that kind is what comes (a wrong range after the cut that leads to it)."""
    profile = Profile(1.0, (kind,))
    host = "www.pixiv.net" if kind in API_KINDS else "i.pximg.net"
    also = {FaultKind.CUT_SHORT} if kind is FaultKind.BAD_RANGE else set[FaultKind]()
    for path in PATHS[:50]:
        assert {one.kind for one in plan(profile, 0, host, path)} == {kind} | also


def test_robots_and_the_account_never_fail():
    """What every run asks first, and what tests ask, is never spoilt."""
    for path in ("/robots.txt", "/__origin__/seen"):
        assert plan(Profile(1.0), 0, "www.pixiv.net", path) == ()


@settings(deadline=None, max_examples=100)
@given(
    st.floats(0.1, 50),
    st.integers(1, 30),
    st.floats(0.1, 10),
    st.lists(st.floats(0, 3), min_size=1, max_size=80),
)
def test_the_secret_limit(rate: float, size: int, block_s: float, pauses: list[float]):
    """Never more than the bucket and its inflow is let through; a refusal means refusals for all of the block."""
    bucket, now, passed, blocked_until = Bucket(rate, size, block_s), 0.0, 0, -1.0
    for pause in pauses:
        now += pause
        if bucket.take(now):
            assert now >= blocked_until
            passed += 1
        elif now >= blocked_until:
            blocked_until = now + block_s
        assert passed <= size + rate * now + 1e-6


def test_no_rate_is_no_limit():
    """Rate 0 lets everything through."""
    bucket = Bucket(0, 1, 1)
    assert all(bucket.take(0) for _ in range(1000))
