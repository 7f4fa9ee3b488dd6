"""Small models of our own, for what no operation of this site uses yet."""

from typing import Any

from botocore.model import OperationModel, ServiceModel


def operation(
    members: dict[str, Any] | None = None,
    *,
    output: dict[str, Any] | None = None,
    required: list[str] | None = None,
    shapes: dict[str, Any] | None = None,
    uri: str = "/test",
    payload: str | None = None,
) -> OperationModel:
    """Return an operation whose input, or output, has these members.

    A member is a shape, with `shape` for one of `shapes`, and `location` and `locationName`.
    """
    made: dict[str, Any] = dict(shapes or {})

    def structure(name: str, described: dict[str, Any]) -> dict[str, str]:
        refs = {}
        for member, shape in described.items():
            own = {key: value for key, value in shape.items() if key.startswith("location")}
            if "shape" not in shape:
                made[member] = {k: v for k, v in shape.items() if k not in own}
            refs[member] = {"shape": shape.get("shape", member), **own}
        made[name] = {"type": "structure", "members": refs, "required": required or []}
        if payload:
            made[name]["payload"] = payload
        return {"shape": name}

    described: dict[str, Any] = {
        "name": "Test",
        "http": {"method": "POST", "requestUri": uri, "responseCode": 200},
    }
    if members is not None:
        described["input"] = structure("TestInput", members)
    if output is not None:
        described["output"] = structure("TestOutput", output)
    service = ServiceModel(
        {
            "metadata": {"protocol": "rest-json", "endpointPrefix": "test"},
            "operations": {"Test": described},
            "shapes": made,
        },
        "test",
    )
    return service.operation_model("Test")
