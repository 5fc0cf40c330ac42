import json

from hypothesis import given, strategies as st

from edge_runtime.base.names import readable


@given(st.binary())
def test_any_file_name_becomes_a_text_that_utf_8_can_hold(name: bytes) -> None:
    shown = readable(name.decode("utf-8", "surrogateescape"))
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert shown == name.decode("utf-8", "backslashreplace")
    assert json.loads(json.dumps(shown, ensure_ascii=False)) == shown


@given(st.text())
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert readable(text) == text
