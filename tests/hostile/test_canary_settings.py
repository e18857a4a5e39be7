"""Planted secrets in settings: what is printed, dumped, refused or raised of them never holds them."""

import asyncio
import os
import traceback
from pathlib import Path
from typing import Any

import pytest
from canary_kit import CANARY, ENV, KEY, PASSWORD, TOKEN, clean, free_port
from judge import write_config
from planted import cli, look
from pydantic import ValidationError

from crawler import ConfigError, InUse, Settings, crawl
from crawler.assembly import settings_digest
from crawler.cli.loading import load
from crawler.fetch.settings import without_password
from crawler.origin.server import origin_thread
from crawler.origin.work import Mix
from crawler.session import BadSession, read


def proxied(host: str = "127.0.0.1:9") -> str:
    return f"http://somebody:{PASSWORD}@{host}"


def test_settings_do_not_show_a_proxys_password() -> None:
    """Neither repr, str, dump nor JSON, nor the digest that the log keeps: a digest of a short password tells it."""
    settings = Settings.model_validate({"network": {"proxy": proxied()}, "site": {"session": CANARY}})
    assert settings.network.proxy == proxied()
    clean(repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json())
    clean(repr(settings.network), str(settings.network.model_dump()), repr(settings.model_copy()))
    assert "127.0.0.1:9" in settings.model_dump_json(), "its host may be told"
    other = Settings.model_validate({"network": {"proxy": proxied().replace(PASSWORD, "other")}})
    assert settings_digest(settings) == settings_digest(other)
    for given in (f"me:{PASSWORD}@h:1", f"http://{PASSWORD}@h", proxied("h")):
        clean(without_password(given))
    assert without_password("http://h:1") == "http://h:1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"network": {"proxy": f"https://somebody:{PASSWORD}@host"}},
        {"network": {"proxy": [PASSWORD]}},
        {"site": {"session": [CANARY]}},
        {"site": {"sesion": CANARY}},
        {"site": CANARY},
        {"AWS_SECRET_ACCESS_KEY": TOKEN},
        {"output": {"key": KEY, "secret": TOKEN}},
    ],
)
def test_an_error_does_not_repeat_what_it_was_given(wrong: dict[str, Any]) -> None:
    """A value in the wrong place, or of the wrong form, may be a secret: pydantic would print it."""
    with pytest.raises(ValidationError) as told:
        Settings.model_validate(wrong)
    clean(str(told.value), repr(told.value), "".join(traceback.format_exception(told.value)))


def test_commands_do_not_show_a_proxys_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Config, plan, doctor, and a run whose proxy is not there: output, log and all files."""
    monkeypatch.setenv("CRAWLER_NETWORK__PROXY", proxied(f"127.0.0.1:{free_port()}"))
    (tmp_path / "ids.txt").write_text("59120000\n")
    config = tmp_path / "c.toml"
    config.write_text(
        '[source]\npath = "ids.txt"\n[output]\ndir = "out"\n[limits]\ndrain_s = 0\n[limits.api]\nrate = 0\n'
        "[retry]\nattempts = 2\nbase_s = 0.01\ncap_s = 0.01\n[network]\nconnect_s = 1\n"
    )
    for words in (["config"], ["config", "--json"], ["plan"], ["doctor", "-v"], ["run", "-v", "--progress", "plain"]):
        code, said = cli(words[0], config, *words[1:])
        assert code in (0, 4), said
        assert "Traceback" not in said
        clean(said)
    assert '"proxy"' in (tmp_path / "out" / "log.jsonl").read_text(), "it was asked, in vain"
    clean(*look(tmp_path / "out").values())
    loaded = load(config, {}, dict(os.environ))
    clean(repr(loaded), str(loaded.settings.model_dump()))
    monkeypatch.setenv("CRAWLER_NETWORK__PROXY", proxied().replace("http:", "ftp:"))
    code, said = cli("config", config)
    assert code == 2
    clean(said)


def test_a_password_in_a_listed_url_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a URL is not taken, and told without what its user knows: by plan, run, log and report."""
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "urls.txt").write_text(f"https://somebody:{PASSWORD}@img1.example/a.jpg\nhttps://{PASSWORD}@h/b.png\n")
    (tmp_path / "ids.txt").write_text(f"https://somebody:{PASSWORD}@elsewhere.example/59120000\n")
    for kind, site in (("urls", "urls"), ("ids", "pixiv")):
        config = tmp_path / f"{kind}.toml"
        config.write_text(
            f'[source]\nkind = "{kind}"\npath = "{kind}.txt"\n[site]\nname = "{site}"\n[output]\ndir = "out-{kind}"\n'
        )
        for words in (["plan"], ["run", "-v"], ["doctor"]):
            code, said = cli(words[0], config, *words[1:])
            assert code in (0, 2), said
            clean(said)
        assert "***@" in cli("plan", config)[1]
        clean(*look(tmp_path / f"out-{kind}").values())


def test_an_address_with_keys_is_not_taken(tmp_path: Path) -> None:
    """Keys of a store in its address: refused, and the config that holds them is not repeated."""
    config = tmp_path / "c.toml"
    (tmp_path / "ids.txt").write_text("1\n")
    config.write_text(f'[source]\npath = "ids.txt"\n[output]\ndir = "s3://{KEY}:{TOKEN}@bucket/prefix"\n')
    for words in (["plan"], ["config"], ["doctor", "-v"], ["run", "-v"]):
        code, said = cli(words[0], config, *words[1:])
        assert code == 2, said
        clean(said)


def test_only_a_private_file_of_our_own_is_a_session_file(tmp_path: Path) -> None:
    """Every mode that lets others in, a link, a folder, a pipe, another's file: refused, without the value."""
    path = tmp_path / "session.txt"
    path.write_text(CANARY)
    for mode in range(0o600, 0o700):
        path.chmod(mode)
        if mode == 0o600:
            assert read(str(path)) == CANARY
            continue
        with pytest.raises(BadSession, match=f"{mode:04o}") as told:
            read(str(path))
        clean(str(told.value))
    path.chmod(0o600)
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, why in (("link", "a link"), ("pipe", "not a regular"), (".", "not a regular"), ("none", "no such file")):
        with pytest.raises(BadSession, match=why):
            read(str(tmp_path / name))
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
        with pytest.raises(BadSession, match="owned by user 12345") as told:
            read(str(path))
        clean(str(told.value))


def test_what_the_library_raises_does_not_show_it(tmp_path: Path) -> None:
    """Settings that cannot be used, a folder in use, a caller's own bug inside the block: texts, reprs, tracebacks."""
    (tmp_path / "ids.txt").write_text("59120000\n59120001\n")
    raised: list[BaseException] = []

    class Bug(Exception):
        """Of the caller's."""

    async def go(settings: Settings) -> None:
        for session in (f"PHPSESSID={CANARY}", CANARY + "\n;", CANARY + " x"):
            try:
                crawl(settings, session=session)
            except ConfigError as error:
                raised.append(error)
        try:
            async with crawl(settings, session=CANARY) as run:
                clean(repr(run), str(run), repr(run.snapshot()), repr(await anext(aiter(run))))
                try:
                    async with crawl(settings, session=CANARY) as second:
                        await second.wait()
                except InUse as error:
                    raised.append(error)
                raise Bug(run)
        except* Bug as group:
            raised.append(group)
        clean(repr(run.outcome), repr(asyncio.all_tasks()))

    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca", session=CANARY, mix=Mix(scale=0.1)) as origin:
        config = write_config(tmp_path, origin, 'path = "ids.txt"')
        config.write_text(config.read_text().replace("rate = 0", "rate = 2", 1))  # the first is still there
        asyncio.run(go(load(config, {}, {}).settings))
    assert [type(error).__name__ for error in raised] == ["ConfigError"] * 3 + ["InUse", "ExceptionGroup"], raised
    for error in raised:
        clean(str(error), repr(error), "".join(traceback.format_exception(error)))
    clean(*look(tmp_path / "out").values())
