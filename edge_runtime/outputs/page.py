"""The files of the live page, and the headers that confine what a browser does with them."""

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

COMMON_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Page:
    """A page and the policy that lets its own style and script run, and nothing else.

    Attributes:
        body: The page, HTML in UTF-8.
        policy: For the header ``Content-Security-Policy``.
    """

    body: bytes
    policy: str


def load_page(name: str) -> Page:
    """Read a page that ships with this package, by its file name."""
    body = (files("edge_runtime.outputs") / name).read_bytes()
    policy = (
        f"default-src 'none'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; "
        f"style-src {_hashes(body, b'style')}; script-src {_hashes(body, b'script')}; "
        "form-action 'self'; frame-ancestors 'none'"
    )
    return Page(body, policy)


def _hashes(body: bytes, tag: bytes) -> str:
    parts = re.findall(rb"<%b>(.*?)</%b>" % (tag, tag), body, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(part).digest()).decode() for part in parts]
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
