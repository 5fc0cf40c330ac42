"""All parts of an ONNX file, wherever in it they are."""

from collections.abc import Iterator

from google.protobuf.message import Message


def messages_in(message: Message) -> Iterator[Message]:
    """A message and all inside it, at any depth: weights, constants, subgraphs, functions."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if isinstance(value, Message) else value:
                yield from messages_in(part)
