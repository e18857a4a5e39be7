"""One real crawl of sketches and colourings for all tests of the review page."""

from pathlib import Path

import pytest
from review_kit import Run, crawled


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Never to be changed by a test."""
    return crawled(tmp_path_factory.mktemp("families"))


@pytest.fixture
def run(whole_run: Run, tmp_path: Path) -> Run:
    """A copy to judge."""
    return whole_run.copy(tmp_path / "run")
