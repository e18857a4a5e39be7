"""Which session the command line, the environment and the config name, and where a bad one came from."""

from __future__ import annotations

from collections.abc import Mapping

from crawler import session
from crawler.cli.keys import SESSION_VARIABLE
from crawler.cli.layers import Origin
from crawler.hidden import Hidden


class BadSession(Exception):
    """The session cannot be used; `origin` says where it came from. See crawler.session."""

    def __init__(self, text: str, origin: Origin) -> None:
        super().__init__(text)
        self.origin = origin


def find(path: str, named: Origin, environ: Mapping[str, str]) -> tuple[str, Origin]:
    """The session's value and where it came from; ("", default) for none.

    A --site.session_file beats the variable, the variable beats a session_file named elsewhere.
    Raises BadSession.
    """
    variable = Hidden(environ.get(SESSION_VARIABLE, ""))
    from_variable = SESSION_VARIABLE in environ and not (path and named.kind == "flag")
    if not path and not from_variable:
        return "", Origin("default")
    origin = Origin("environment", SESSION_VARIABLE) if from_variable else named
    try:
        return (session.checked(variable) if from_variable else session.read(path)), origin
    except session.BadSession as error:
        raise BadSession(str(error), origin) from None
