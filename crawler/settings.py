"""Joins each room's own settings into one frozen tree: the shape of the config file."""

from __future__ import annotations

from crawler.collect.settings import CollectSettings
from crawler.engine.settings import ClusterSettings, LimitsSettings
from crawler.fetch.settings import NetworkSettings
from crawler.log.settings import LogSettings
from crawler.rules.settings import FilterSettings, RetrySettings
from crawler.section import Section
from crawler.sinks.settings import OutputSettings
from crawler.sites.settings import SiteSettings
from crawler.sources.settings import SourceSettings
from crawler.watch.settings import UiSettings


class Settings(Section):
    """Everything a run obeys."""

    source: SourceSettings = SourceSettings()
    site: SiteSettings = SiteSettings()
    filter: FilterSettings = FilterSettings()
    output: OutputSettings = OutputSettings()
    limits: LimitsSettings = LimitsSettings()
    network: NetworkSettings = NetworkSettings()
    retry: RetrySettings = RetrySettings()
    log: LogSettings = LogSettings()
    collect: CollectSettings = CollectSettings()
    cluster: ClusterSettings = ClusterSettings()
    ui: UiSettings = UiSettings()
