"""The one walk over a model's shapes, for what reads them and for what writes them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from botocore.model import ListShape, MapShape, Shape, StructureShape

MadeT = TypeVar("MadeT", bound=Callable[..., Any])

# What the model calls sensitive and everybody reads: the description of an agent, in the chat.
_READ_BY_ALL = frozenset({"Description"})


class UnsupportedShape(ValueError):
    """The model uses something that this mechanism does not speak, such as an event stream."""


class Compiler(ABC, Generic[MadeT]):
    """Makes a function of each shape, once; shapes may contain themselves.

    What is inside a sensitive shape is sensitive.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, bool], MadeT] = {}

    def made(self, shape: Shape, *, sensitive: bool) -> MadeT:
        """Return what is made of `shape`, which stands in something `sensitive` or not.

        Raises:
            UnsupportedShape: it is, or contains, what is not spoken here.
        """
        hidden = bool(shape.metadata.get("sensitive")) and shape.name not in _READ_BY_ALL
        sensitive = sensitive or hidden
        key = (shape.name, sensitive)
        if key not in self._made:

            def itself(*given: Any) -> Any:
                return self._made[key](*given)

            self._made[key] = cast(MadeT, itself)  # what a shape finds that contains itself
            self._made[key] = self._make(shape, sensitive=sensitive)
        return self._made[key]

    def _make(self, shape: Shape, *, sensitive: bool) -> MadeT:
        if shape.metadata.get("document") or shape.serialization.get("eventstream"):
            raise UnsupportedShape(f"{shape.name} is a document or an event stream")
        if isinstance(shape, StructureShape):
            return self._structure(shape, sensitive=sensitive)
        if isinstance(shape, ListShape):
            return self._list(shape, sensitive=sensitive)
        if isinstance(shape, MapShape):
            return self._map(shape, sensitive=sensitive)
        made = self._scalar(shape, sensitive=sensitive)
        if made is None:
            raise UnsupportedShape(f"{shape.name} is a {shape.type_name}")
        return made

    @abstractmethod
    def _structure(self, shape: StructureShape, *, sensitive: bool) -> MadeT: ...

    @abstractmethod
    def _list(self, shape: ListShape, *, sensitive: bool) -> MadeT: ...

    @abstractmethod
    def _map(self, shape: MapShape, *, sensitive: bool) -> MadeT: ...

    @abstractmethod
    def _scalar(self, shape: Shape, *, sensitive: bool) -> MadeT | None:
        """Return what is made of a shape that contains no other; None: it is not spoken here."""
