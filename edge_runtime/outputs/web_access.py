"""Who may see the live page: this machine's own browser, or whoever knows the token."""

import hmac
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from edge_runtime.base.addresses import Address, host_names, parse_address
from edge_runtime.base.errors import InputError
from edge_runtime.base.files import read_text

SHORTEST_TOKEN = 16
LONGEST_TOKEN = 200


@dataclass(frozen=True)
class Access:
    """Who may see what one server shows.

    Attributes:
        address: What it is bound to.
        token: What visitors must know; None lets everybody in who can reach it.
        hosts: Names and numbers, in lower case, under which it may be reached besides those that it knows
            itself.
    """

    address: Address
    token: str | None
    hosts: frozenset[str] = frozenset()

    @property
    def cookie_name(self) -> str:
        """Name of the cookie that keeps the token: cookies do not tell ports apart, so it must."""
        return f"pi-infer-{self.address.port}"

    def embedded(self, headers: Message) -> bool:
        """Whether a page of another site made the browser ask; a link from one is not meant."""
        return headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Mode") != "navigate"

    def answers_to(self, headers: Message, reached: str) -> bool:
        """Whether the visitor asked for this machine, by a name or number of its own.

        A site that rebinds its own name to our address shows itself by the Host header; the port may be
        anything, as it is through a tunnel.

        Args:
            headers: Of the request.
            reached: The number of this machine at which the visitor arrived.
        """
        hosts = headers.get_all("Host", [])
        try:
            asked = parse_address(hosts[0], default_port=80) if len(hosts) == 1 else None
        except ValueError:
            asked = None
        if asked is None:
            return False
        name = asked.host.lower().rstrip(".")
        if Address(name, asked.port).loopback or name in self.hosts:
            return True
        return not self.address.loopback and name in self._own_names(reached)

    def _own_names(self, reached: str) -> set[str]:
        """What this machine is called where others can reach it: as it calls itself, and by its number."""
        name = socket.gethostname().lower()
        number = reached.removeprefix("::ffff:")  # as a server for both kinds sees a number of the old one
        return {name, f"{name.split('.')[0]}.local", self.address.host.lower(), number}

    def admits(self, headers: Message, given: Iterable[str]) -> bool:
        """Whether the request brings the token: in its address (``given``), as cookie, or as bearer."""
        if self.token is None:
            return True
        brought = (*given, *_cookie(headers, self.cookie_name), _bearer(headers))
        return any(self.knows(text) for text in brought)

    def knows(self, text: str) -> bool:
        """Whether this is the token; takes the same time wherever the first difference is."""
        return self.token is not None and hmac.compare_digest(
            text.encode(errors="replace"), self.token.encode()
        )


def access_for(address: Address, token_file: Path | None, hosts: str | None = None) -> Access:
    """The rules for a server: a token is asked for beyond loopback, or where a file names one.

    Args:
        address: What it is bound to.
        token_file: Holds the token; None for one that is made up where one is needed.
        hosts: Further names under which it may be reached, with commas between them.

    Raises:
        InputError: The file cannot be read, or what it holds is no token.
    """
    made_up = None if address.loopback else secrets.token_urlsafe(24)
    token = made_up if token_file is None else _read_token(token_file)
    return Access(address, token, frozenset(host_names(hosts or "")))


def _read_token(path: Path) -> str:
    token = read_text(path, "the token in").strip()
    plain = token.isascii() and token.replace("-", "").replace("_", "").isalnum()
    if not plain or not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN:
        raise InputError(
            f"{path} holds no token: it needs {SHORTEST_TOKEN} to {LONGEST_TOKEN} letters, digits, - and _"
        )
    return token


def _cookie(headers: Message, name: str) -> list[str]:
    try:
        cookies = SimpleCookie(headers.get("Cookie", ""))
    except CookieError:
        return []
    return [cookies[name].value] if name in cookies else []


def _bearer(headers: Message) -> str:
    scheme, _, text = headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""
