"""A value that must not be seen: tokens, client secrets, keys, verifiers, passwords."""

from hmac import compare_digest
from typing import NoReturn, SupportsIndex


class Secret:
    """Holds a string that leaves only through `reveal()`.

    Printing, formatting, logging, pickling, copying and templates do not get at it. Two secrets
    compare in constant time. The hash makes a secret usable as the key of a cache in this
    process; it is Python's own, which is keyed at random for each process.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the value itself. Every use of this is looked at in review."""
        return self.__value

    # Django's templates call what they find, unless it says that calling has consequences.
    reveal.alters_data = True  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __str__(self) -> str:
        return "**********"

    def __format__(self, spec: str) -> str:
        return "**********"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(_octets(self.__value), _octets(other.__value))

    def __hash__(self) -> int:
        return hash(self.__value)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("A Secret is not serialised; seal it instead.")


def _octets(value: str) -> bytes:
    # A lone surrogate would raise an error that carries the value.
    return value.encode("utf-8", "surrogatepass")
