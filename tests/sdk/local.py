"""A function on a developer's own machine, with nothing set up: the SDK makes an identity."""

from bedrock_agentcore.identity import requires_api_key


@requires_api_key(provider_name="my-weather")
def key_of_the_weather(*, api_key: str) -> str:
    return api_key


if __name__ == "__main__":
    print(key_of_the_weather())  # noqa: T201 - what the test reads
