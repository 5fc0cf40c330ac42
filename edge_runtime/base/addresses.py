"""Network addresses as people type them: ``HOST``, ``HOST:PORT``, ``[IPV6]:PORT``."""

import ipaddress
import re
from dataclasses import dataclass

HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})")  # 253 characters are the most DNS has names of


@dataclass(frozen=True)
class Address:
    """A host's name or number (an IPv6 one without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it; any name but ``localhost`` counts as reachable."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str, default_port: int | None = None) -> Address:
    """Read an address; without ``default_port`` it must name its port.

    Raises:
        ValueError: It is no address; the message says what it must be.
    """
    # Only an IPv6 number has colons of its own, so that it stands in brackets.
    parts = re.fullmatch(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>\d{1,5}))?", text)
    port = int(parts["port"]) if parts and parts["port"] else default_port
    host = parts and (parts["six"] or parts["host"])
    if not host or port is None or not 1 <= port <= 65535 or not _is_host(host):
        wanted = "HOST:PORT" if default_port is None else "HOST or HOST:PORT"
        raise ValueError(f"must be {wanted} with a port from 1 to 65535 (IPv6 as [::1]:8080)")
    return Address(host, port)


def host_names(text: str) -> list[str]:
    """Names and numbers of hosts with commas between them, in lower case; IPv6 ones without brackets.

    Raises:
        ValueError: One is none; the message says what they must be.
    """
    names = [name.strip().lower().strip("[]") for name in text.split(",") if name.strip()]
    if not all(map(_is_host, names)):
        raise ValueError("must be names of hosts with commas between them, as cam.example.org,10.0.0.7")
    return names


def _is_host(host: str) -> bool:
    if ":" not in host:
        return HOST.fullmatch(host) is not None
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True
