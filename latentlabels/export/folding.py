"""What does not depend on a graph's inputs, worked out once: runtimes may lack the operations that weights alone go through."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg


@torch.no_grad()
def fold_constants(module: GraphModule) -> GraphModule:
    """The same module, with a buffer in place of each value that is the same for all inputs; it is changed in place."""
    known: dict[Node, Any] = {}
    for node in module.graph.nodes:
        if node.op == "get_attr":
            known[node] = attrgetter(node.target)(module)
        elif node.op == "call_function" and node.all_input_nodes and all(one in known for one in node.all_input_nodes):
            args, kwargs = map_arg((node.args, node.kwargs), known.__getitem__)
            known[node] = node.target(*args, **kwargs)
    for number, (node, value) in enumerate(list(known.items())):
        if node.op == "get_attr" or not isinstance(value, Tensor) or all(user in known for user in node.users):
            continue
        name = f"folded_{number}"
        module.register_buffer(name, value.detach().clone())
        with module.graph.inserting_before(node):
            node.replace_all_uses_with(module.graph.get_attr(name), delete_user_cb=lambda user: user not in known)
    module.graph.eliminate_dead_code()
    module.recompile()
    return module
