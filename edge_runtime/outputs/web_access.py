"""Who may see the live page: this machine's own browser, or whoever knows the token."""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from edge_runtime.base.addresses import Address, parse_address
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
    """

    address: Address
    token: str | None

    @property
    def cookie_name(self) -> str:
        """Name of the cookie that keeps the token: cookies do not tell ports apart, so it must."""
        return f"pi-infer-{self.address.port}"

    def foreign(self, headers: Message) -> bool:
        """Whether a page of another site made the browser ask.

        A site that rebinds its own name to 127.0.0.1 shows itself by the Host header; the port may be
        anything, as it is through a tunnel.
        """
        embedded = (
            headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Mode") != "navigate"
        )
        if embedded or not self.address.loopback:
            return embedded
        hosts = headers.get_all("Host", [])
        try:
            return len(hosts) != 1 or not parse_address(hosts[0], default_port=80).loopback
        except ValueError:
            return True

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


def access_for(address: Address, token_file: Path | None) -> Access:
    """The rules for a server at ``address``: a token is asked for beyond loopback, or where a file names one.

    Raises:
        InputError: The file cannot be read, or what it holds is no token.
    """
    if token_file is not None:
        return Access(address, _read_token(token_file))
    return Access(address, None if address.loopback else secrets.token_urlsafe(24))


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
