"""crawler: a list of page ids in, a verified image data set and an append-only log out.

    from crawler import Settings, crawl

The names below are found when they are first asked for: importing the package costs nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crawler.api import Crawl, Outcome, Recheck, crawl
    from crawler.cli.loading import settings_from
    from crawler.errors import ConfigError
    from crawler.events import Event
    from crawler.log.files import InUse
    from crawler.log.reader import LogDamaged
    from crawler.progress import Snapshot
    from crawler.settings import Settings
    from crawler.sources.lines import SourceError
    from crawler.stop import Stop, StorageFailed

__version__ = "0.1.0"
__all__ = [
    "ConfigError",
    "Crawl",
    "Event",
    "InUse",
    "LogDamaged",
    "Outcome",
    "Recheck",
    "Settings",
    "Snapshot",
    "SourceError",
    "Stop",
    "StorageFailed",
    "crawl",
    "settings_from",
]

_ROOMS = {
    "ConfigError": "errors",
    "Event": "events",
    "InUse": "log.files",
    "LogDamaged": "log.reader",
    "Settings": "settings",
    "Snapshot": "progress",
    "SourceError": "sources.lines",
    "Stop": "stop",
    "StorageFailed": "stop",
    "settings_from": "cli.loading",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"crawler.{_ROOMS.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
