import socket
from collections.abc import Iterator

import pytest

from demo.run import ports

# A listener on any address takes the port of this machine too.
ANY = "0.0.0.0"  # noqa: S104 - bound for a moment, to be found
LISTENERS = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, ANY), (socket.AF_INET6, "::1")]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=LISTENERS, ids=["IPv4", "any", "IPv6"])
def taken_port(request: pytest.FixtureRequest, free_port: int) -> Iterator[int]:
    family, address = request.param
    with socket.socket(family) as listener:
        listener.bind((address, free_port))
        listener.listen()
        yield free_port


def test_each_part_gets_a_port_of_its_own_near_the_site(free_port: int) -> None:
    said: list[str] = []

    given = ports.assign({}, wanted=free_port, say=said.append)

    assert given["site"] == free_port
    assert set(given) == set(ports.PARTS)
    assert len(set(given.values())) == len(ports.PARTS)
    assert all(free_port <= port < free_port + 100 for port in given.values())
    assert said == []


def test_a_second_start_keeps_every_port(free_port: int) -> None:
    first = ports.assign({}, wanted=free_port, say=pytest.fail)

    assert ports.assign(first, wanted=free_port, say=pytest.fail) == first


def test_a_port_that_somebody_took_meanwhile_is_given_up_and_said_so(taken_port: int) -> None:
    said: list[str] = []
    first = ports.assign({}, wanted=taken_port + 100, say=pytest.fail)

    second = ports.assign(first | {"idp": taken_port}, wanted=first["site"], say=said.append)

    assert second["idp"] != taken_port
    assert {**second, "idp": 0} == {**first, "idp": 0}
    assert said == [f"port {taken_port} of idp is not free, using {second['idp']}"]


def test_a_site_whose_port_is_taken_moves_and_says_so(taken_port: int) -> None:
    said: list[str] = []

    given = ports.assign({}, wanted=taken_port, say=said.append)

    assert given["site"] != taken_port
    assert said == [f"port {taken_port} of site is not free, using {given['site']}"]


def test_a_part_makes_way_when_the_site_is_told_to_take_its_port(free_port: int) -> None:
    first = ports.assign({}, wanted=free_port, say=pytest.fail)
    said: list[str] = []

    second = ports.assign(first, wanted=first["idp"], say=said.append)

    assert second["site"] == first["idp"]
    assert len(set(second.values())) == len(ports.PARTS)
    assert len(said) == 1
