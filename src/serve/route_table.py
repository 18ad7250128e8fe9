"""Which operation a request asks for: a tree of path segments, literal before variable ones."""

from __future__ import annotations

from collections.abc import Iterable

from serve.operation import Operation


class Resource:
    """One path template and its operations.

    Attributes:
        template: the path with its variables named, such as ``/v2/positions/{symbol}``.
        operations: by method; HEAD is answered by the operation of GET.
        allow: what the Allow header says.
    """

    __slots__ = ("allow", "operations", "template", "variables")

    def __init__(self, template: str) -> None:
        self.template = template
        self.operations: dict[str, Operation] = {}
        self.allow = b"OPTIONS"
        self.variables = tuple(
            segment[1:-1] for segment in template.split("/") if segment.startswith("{")
        )

    def add(self, operation: Operation) -> None:
        """Add one operation; its method must be new."""
        assert operation.method not in self.operations, f"{operation.operation_id} is there twice"
        self.operations[operation.method] = operation
        if operation.method == "GET":
            self.operations["HEAD"] = operation
        self.allow = ", ".join([*sorted(self.operations), "OPTIONS"]).encode()


class _Node:
    __slots__ = ("literals", "resource", "variable")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.resource: Resource | None = None


class RouteTable:
    """All operations. Paths match exactly: there are no redirects, which clients do not follow."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.operations = tuple(operations)
        self._root = _Node()
        for operation in self.operations:
            self._resource(operation.path).add(operation)

    def _resource(self, template: str) -> Resource:
        node = self._root
        for segment in template.split("/"):
            if segment.startswith("{"):
                if node.variable is None:
                    node.variable = _Node()
                node = node.variable
            else:
                node = node.literals.setdefault(segment, _Node())
        if node.resource is None:
            node.resource = Resource(template)
        assert node.resource.template == template, f"{template} has another name for a variable"
        return node.resource

    def find(self, path: str) -> tuple[Resource, dict[str, str]] | None:
        """Return the resource of *path* and the values of its variables, or None."""
        node = self._root
        values: list[str] = []
        for segment in path.split("/"):
            following = node.literals.get(segment)
            if following is None:
                following = node.variable
                if following is None or not segment:
                    return None
                values.append(segment)
            node = following
        resource = node.resource
        if resource is None:
            return None
        return resource, dict(zip(resource.variables, values, strict=True)) if values else {}
