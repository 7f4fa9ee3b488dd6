"""The operations that stand-ins for AgentCore Identity and Runtime can be asked for."""

from botocore.model import OperationModel

from core.wire import model

ROOTS = ("/identities/", "/runtimes/", "/resourcepolicy/", "/tags/")
# Bytes of agents and signatures of payments go other ways than JSON by the model.
ELSEWHERE = {
    "GetAgentCard",
    "GetResourcePaymentToken",
    "InvokeAgentRuntime",
    "InvokeAgentRuntimeCommand",
}
SURFACE: list[OperationModel] = [
    operation
    for operation in model.operations().values()
    if operation.http["requestUri"].startswith(ROOTS) and operation.name not in ELSEWHERE
]
