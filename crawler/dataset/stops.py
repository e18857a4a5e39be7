"""What ends an export: mistakes of the one who asked, and optional packages that are not there."""

from __future__ import annotations

import importlib
from typing import Any

from crawler.stop import Stop


class Refused(Stop):
    """What was asked for cannot be done; nothing was written. The text says what to change."""

    code, reason = 2, "usage"


def need(module: str) -> Any:
    """An optional package. Raises Refused, naming the extra, where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise Refused(
            f"crawler export: this needs {package}, which is not installed: pip install 'crawler[dataset]'"
        ) from None
