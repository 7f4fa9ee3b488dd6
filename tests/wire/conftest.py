"""The people, the provider and the agent of the vault's tests."""

from tests.vault.conftest import (  # noqa: F401 - fixtures
    _own_world,
    acme,
    alice,
    bob,
    concierge,
    greeter,
    there,
    world,
)
