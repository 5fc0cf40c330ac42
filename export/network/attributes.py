"""A node's attributes, read as the types that its operator defines for them.

onnx's checker compares types with the operator's definition, but lets references to the attributes of a
function pass outside of one, and knows nothing of the nodes of foreign domains. So whatever is read here may
be anything, and is refused in one line where it is not what was asked for.
"""

import onnx
from onnx import AttributeProto

from edge_runtime.base.errors import ModelRefusedError

STANDARD_DOMAINS = ("", "ai.onnx")


def operator(node: onnx.NodeProto) -> str:
    """The standard operator that a node applies: ``Conv``.

    An operator of any other domain, such as a function that the file defines itself, may do anything under
    any name: it goes by its domain too, as ``my.domain::Conv``.
    """
    return node.op_type if node.domain in STANDARD_DOMAINS else f"{node.domain}::{node.op_type}"


def title(node: onnx.NodeProto) -> str:
    """An operator as people write it, its domain before it unless it is a standard one: ``com.acme.Foo``."""
    return operator(node).replace("::", ".")


class Attributes:
    """The attributes of one node; each method gives one of them, or the default where it is not set."""

    def __init__(self, node: onnx.NodeProto) -> None:
        self._node = node
        self._set = {attribute.name: attribute for attribute in node.attribute}

    def integer(self, name: str, default: int) -> int:
        """An attribute that is a whole number. Raises ``ModelRefusedError`` if it is anything else."""
        attribute = self._get(name, AttributeProto.INT, "a whole number")
        return default if attribute is None else attribute.i

    def integers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """An attribute of as many whole numbers as its default. Raises ``ModelRefusedError`` for others."""
        wanted = f"{len(default)} whole numbers"
        attribute = self._get(name, AttributeProto.INTS, wanted)
        if attribute is None:
            return default
        if len(attribute.ints) != len(default):
            raise self._refusal(name, wanted)
        return tuple(attribute.ints)

    def number(self, name: str, default: float) -> float:
        """An attribute that is a number. Raises ``ModelRefusedError`` if it is anything else."""
        attribute = self._get(name, AttributeProto.FLOAT, "a number")
        return default if attribute is None else attribute.f

    def text(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """An attribute that is one of the texts allowed. Raises ``ModelRefusedError`` if it is any other."""
        wanted = f"one of {', '.join(allowed)}"
        attribute = self._get(name, AttributeProto.STRING, wanted)
        if attribute is None:
            return default
        value = attribute.s.decode(errors="replace")
        if value not in allowed:
            raise self._refusal(name, wanted)
        return value

    def any_text(self, name: str) -> str:
        """Any text, empty where it is not set. Raises ``ModelRefusedError`` if it is anything else."""
        attribute = self._get(name, AttributeProto.STRING, "a text")
        return "" if attribute is None else attribute.s.decode(errors="replace")

    def _get(self, name: str, kind: int, wanted: str) -> AttributeProto | None:
        attribute = self._set.get(name)
        if attribute is not None and (attribute.type != kind or attribute.ref_attr_name):
            raise self._refusal(name, wanted)
        return attribute

    def _refusal(self, name: str, wanted: str) -> ModelRefusedError:
        node = self._node.name or next(iter(self._node.output), "")
        return ModelRefusedError(f"{name} of the {self._node.op_type} {node!r} must be {wanted}")
