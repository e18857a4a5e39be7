"""Scrapy's FilesPipeline over a list of URLs, for the throughput benchmark."""

import scrapy


class Files(scrapy.Spider):
    """One item with all URLs; the pipeline does the rest."""

    name = "files"
    custom_settings = {  # noqa: RUF012 - Scrapy's own form
        "ITEM_PIPELINES": {"scrapy.pipelines.files.FilesPipeline": 1},
        "CONCURRENT_REQUESTS": 16,
        "TELNETCONSOLE_ENABLED": False,
        "DOWNLOAD_DELAY": 0,
    }

    async def start(self):
        with open(self.listed) as lines:  # noqa: ASYNC230 - before the first request
            yield {"file_urls": lines.read().split()}
