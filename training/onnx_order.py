"""The same network, the same bytes: nodes in the order of the graph, inner names by number.

The converter names what it makes by the process's own counters and addresses, so that equal weights gave other files.
"""

from typing import Any


def settle_names(graph: Any) -> None:
    """Order the nodes as the outputs ask for them, name them, their results and the weights by that order."""
    made_by = {name: node for node in graph.node for name in node.output}
    weights = {one.name: one for one in graph.initializer}
    nodes, used, waiting = [], [], [(value.name, False) for value in reversed(graph.output)]
    seen: set[str] = set()
    while waiting:
        name, ready = waiting.pop()
        if ready:
            nodes.append(made_by[name])
        elif name not in seen:
            node = made_by.get(name)
            seen.update([name] if node is None else node.output)
            if node is not None:
                waiting += [(name, True), *((one, False) for one in reversed(node.input))]
            elif name in weights:
                used.append(weights[name])
    rename(graph, nodes, used)
    for held, ordered in ((graph.node, nodes), (graph.initializer, used)):
        copies = [type(one).FromString(one.SerializeToString()) for one in ordered]
        del held[:]
        held.extend(copies)
    del graph.value_info[:]
    graph.ClearField("doc_string")
    for value in (*graph.input, *graph.output):
        for number, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.dim_param and number > 0:
                dim.dim_param = f"{value.name}_{number}"


def rename(graph: Any, nodes: list[Any], weights: list[Any]) -> None:
    """Names by number, all but those of the graph's own inputs and outputs."""
    kept = {value.name for value in (*graph.input, *graph.output)} | {""}
    names = {one.name: f"weight_{number}" for number, one in enumerate(weights)}
    names |= {old: f"node_{n}_{k}" for n, node in enumerate(nodes) for k, old in enumerate(node.output)}
    names = {old: old if old in kept else new for old, new in names.items()}
    for one in weights:
        one.name = names[one.name]
    for number, node in enumerate(nodes):
        node.name = f"node_{number}"
        node.input[:] = [names.get(old, old) for old in node.input]
        node.output[:] = [names[old] if old else old for old in node.output]
