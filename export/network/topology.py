"""Questions about an ONNX graph: what a tensor depends on, where it can be cut, and cutting it there."""

from collections.abc import Collection, Iterable, Iterator, Mapping

import onnx


def producers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """The node that writes each tensor of a model, by the tensor's name."""
    return {name: node for node in model.graph.node for name in node.output if name}


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph, and those in the bodies of an If, a Loop or a Scan, at any depth."""
    for node in graph.node:
        yield node
        for body in bodies_of(node):
            yield from all_nodes(body)


def bodies_of(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs inside a node: branches of an If, the body of a Loop or a Scan."""
    return [body for a in node.attribute for body in ([a.g] if a.HasField("g") else a.graphs)]


def reads(node: onnx.NodeProto) -> set[str]:
    """Names of the tensors a node needs; those its branches and loop bodies take from outside included."""
    names = {name for name in node.input if name}
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            own = {value.name for value in (*body.input, *body.initializer)}
            own |= {name for inner in body.node for name in inner.output}
            names |= {name for inner in body.node for name in reads(inner)} - own
            names |= {value.name for value in body.output} - own
    return names


def consumers(model: onnx.ModelProto, tensor: str) -> list[onnx.NodeProto]:
    """The nodes of a model that read ``tensor``."""
    return [node for node in model.graph.node if tensor in reads(node)]


def nodes_before(
    model: onnx.ModelProto, targets: Iterable[str], sources: Collection[str] = ()
) -> list[onnx.NodeProto]:
    """The nodes that compute some tensors.

    Args:
        model: The network.
        targets: The tensors to compute.
        sources: Tensors that are there already: what computes them is left out.

    Returns:
        Nodes of the model, in order of execution.
    """
    produced_by = producers(model)
    needed: set[str] = set()
    waiting = [name for name in targets if name not in sources]
    while waiting:
        node = produced_by.get(waiting.pop())
        if node is not None and needed.isdisjoint(node.output):
            needed.update(name for name in node.output if name)
            waiting.extend(reads(node).difference(sources))
    return [node for node in model.graph.node if not needed.isdisjoint(node.output)]


def frontier(
    model: onnx.ModelProto, targets: Collection[str], input_name: str, goals: Collection[str]
) -> list[str]:
    """The tensors to keep so that a network can be run on from where it was left.

    Args:
        model: The network.
        targets: The tensors that were computed.
        input_name: Name of its input.
        goals: The tensors that will be wanted.

    Returns:
        Tensors, sorted by name, that are known once ``targets`` are and that are enough to compute ``goals``.
    """
    done = nodes_before(model, targets)
    known = {input_name} | {name for node in done for name in node.output if name}
    rest = [node for node in nodes_before(model, goals) if known.isdisjoint(node.output)]
    needed = {name for node in rest for name in reads(node) if name in known}
    return sorted(needed | (known & set(goals)))


def fragment(model: onnx.ModelProto, sources: Collection[str], targets: Collection[str]) -> onnx.ModelProto:
    """The part of a network between ``sources`` and ``targets`` as a network of its own.

    Shapes of the cut tensors are left open, so that it runs on any size the whole network runs on.

    Args:
        model: The network.
        sources: The tensors that become inputs, as far as they are read.
        targets: The tensors that become outputs.
    """
    nodes = nodes_before(model, targets, sources)
    read = {name for node in nodes for name in reads(node)}
    weights = [tensor for tensor in model.graph.initializer if tensor.name in read]
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    return onnx.helper.make_model(
        onnx.helper.make_graph(
            [_nameless(node) for node in nodes],
            "fragment",
            [_value(name, types.get(name, onnx.TensorProto.FLOAT)) for name in sources if name in read],
            [_value(name) for name in targets],
            weights,
        ),
        opset_imports=model.opset_import,
        ir_version=max(model.ir_version, 4),  # before it, weights would have to be among the inputs
        functions=model.functions,
    )


def sort_nodes(model: onnx.ModelProto) -> None:
    """Bring the nodes of a model into an order of execution, in place; those that need not move do not."""
    written_by = {name: place for place, node in enumerate(model.graph.node) for name in node.output if name}
    order: dict[int, None] = {}
    waiting = list(reversed(range(len(model.graph.node))))
    while waiting:
        place = waiting[-1]
        needed = {written_by[name] for name in reads(model.graph.node[place]) if name in written_by}
        missing = [each for each in sorted(needed, reverse=True) if each not in order]
        if missing and place not in order:
            waiting.extend(missing)
            continue
        order.setdefault(place)
        waiting.pop()
    nodes = [model.graph.node[place] for place in order]
    copies = onnx.GraphProto(node=nodes)
    del model.graph.node[:]
    model.graph.node.extend(copies.node)


def with_outputs(model: onnx.ModelProto, tensors: Iterable[str]) -> onnx.ModelProto:
    """A copy of a model that hands out these tensors, too."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {value.name for value in model.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors if name not in known)
    return copy


def followed_by(model: onnx.ModelProto, tensors: Collection[str]) -> set[str]:
    """Those of ``tensors`` from which another of them is computed."""
    return {
        name
        for tensor in tensors
        for node in nodes_before(model, [tensor])
        for name in node.output
        if name in tensors and name != tensor
    }


def depths(model: onnx.ModelProto, layers: Mapping[str, str]) -> dict[str, int]:
    """How many of ``layers`` lie before each of them on the longest path.

    Args:
        model: The network.
        layers: Output tensor of each layer, and a tensor it waits for beside what it reads; may be empty.

    Returns:
        The depth of each layer by its output tensor: layers of equal depth do not depend on each other.
    """
    depth: dict[str, int] = {}
    depth_of_layer: dict[str, int] = {}
    for node in model.graph.node:
        before = max((depth.get(name, 0) for name in reads(node)), default=0)
        layer = next((name for name in node.output if name in layers), None)
        if layer is not None:
            before = max(before, depth.get(layers[layer], 0))
            depth_of_layer[layer] = before
            before += 1
        depth.update((name, before) for name in node.output)
    return depth_of_layer


def _nameless(node: onnx.NodeProto) -> onnx.NodeProto:
    """A copy without a name: nodes of equal names, which onnxruntime refuses, can then be run."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.ClearField("name")
    return copy


def _value(name: str, element: int = onnx.TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, element, None)
