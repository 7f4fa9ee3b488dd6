"""Alice and bob, an agent, and where they consent: the world of the vault's tests."""

from tests.vault.conftest import (  # noqa: F401 - fixtures
    _own_world,
    acme,
    alice,
    bob,
    concierge,
    expire,
    greeter,
    there,
    world,
)
