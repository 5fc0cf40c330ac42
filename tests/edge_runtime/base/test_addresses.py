import pytest
from hypothesis import given, strategies as st

from edge_runtime.base.addresses import Address, host_names, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("raspberrypi.local:80", Address("raspberrypi.local", 80)),
        ("[::1]:65535", Address("::1", 65535)),
        ("pi:1", Address("pi", 1)),
        ("broker", Address("broker", 1883)),
        ("[fe80::1]", Address("fe80::1", 1883)),
    ],
)
def test_addresses_are_read_and_written_alike(text: str, address: Address) -> None:
    assert parse_address(text, 1883) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":80",
        "a:",
        "a:0",
        "a:65536",
        "::1",
        "[::1",
        "[x]:1",
        "[1::2::3]:1",
        "a b:1",
        "http://a:1",
        "a:1:2",
        "-a:1",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be HOST:PORT with a port from 1 to 65535"):
        parse_address(text)
    with pytest.raises(ValueError, match="must be HOST or HOST:PORT with"):
        parse_address(text, 80)


def test_a_name_alone_is_an_address_only_where_the_port_goes_without_saying() -> None:
    assert parse_address("pi", 80) == Address("pi", 80)
    with pytest.raises(ValueError, match="must be HOST:PORT with"):
        parse_address("pi")


NEARLY = st.from_regex(r"(\[[0-9a-f:]{1,12}\]|[a-z0-9.-]{1,8})(:\d{0,6})?", fullmatch=True)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104  parsed, not bound
        ("::", False),
        ("pi", False),
        ("localhost.evil", False),
    ],
)
def test_only_what_certainly_is_loopback_counts(host: str, loopback: bool) -> None:  # noqa: FBT001
    assert Address(host, 1).loopback is loopback


@given(st.text(max_size=30) | NEARLY)
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = parse_address(text, 1)
    except ValueError:
        return
    assert parse_address(str(address)) == address


def test_names_of_hosts() -> None:
    assert host_names(" Cam.Example.org,10.0.0.7 ,[::1],") == ["cam.example.org", "10.0.0.7", "::1"]
    for text in ("a b", "http://cam", "cam:80", "*", "a,,/"):
        with pytest.raises(ValueError, match="must be names of hosts"):
            host_names(text)
