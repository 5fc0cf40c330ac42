"""A card that is proposed: each field with its value, where that comes from, and whether it is a guess."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edge_runtime.model.card import ModelCard, parse_card


@dataclass(frozen=True)
class Field:
    """One field of a proposed card.

    Attributes:
        key: Its key; within ``input`` or ``decoder`` with a point, as in ``input.size``.
        value: What is proposed.
        why: Where it comes from, in a few words.
        guessed: Whether it may well be otherwise.
    """

    key: str
    value: Any
    why: str
    guessed: bool = False


@dataclass(frozen=True)
class Proposal:
    """A card that is proposed for a network.

    Attributes:
        fields: Those that differ from a card's defaults, or are worth a look.
        undecoded: Why its outputs cannot be decoded; None where they can.
    """

    fields: tuple[Field, ...]
    undecoded: str | None = None

    @property
    def guesses(self) -> tuple[Field, ...]:
        """The fields that somebody should look at."""
        return tuple(field for field in self.fields if field.guessed)

    def to_document(self) -> dict[str, Any]:
        """The card as JSON can hold it."""
        document: dict[str, Any] = {}
        for field in self.fields:
            *outer, key = field.key.split(".")
            part = document.setdefault(outer[0], {}) if outer else document
            part[key] = field.value
        return document

    def to_json(self) -> str:
        """The card as a file that people may correct: a line for each of its parts."""
        lines = (
            f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
            for key, value in self.to_document().items()
        )
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def card(self, where: str) -> ModelCard:
        """The card that is proposed.

        Args:
            where: What to call it in an error message.

        Raises:
            InputError: Something that it needs cannot be told from the network.
        """
        return parse_card(self.to_json(), where)


def merged(known: Iterable[Field], guessed: Iterable[Field]) -> tuple[Field, ...]:
    """The guesses, each replaced by what is known instead; what else is known follows."""
    fields = {field.key: field for field in guessed}
    fields |= {field.key: field for field in known}
    return tuple(fields.values())
