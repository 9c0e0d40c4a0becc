"""Lambda: the environment of a function."""

import json

import pytest

import resources
from servers import Cloud

BOOTSTRAP = """#!/usr/bin/env python3
import json, os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    event = urllib.request.urlopen(api + "next")
    request_id = event.headers["Lambda-Runtime-Aws-Request-Id"]
    event.read()
    answer = json.dumps(dict(os.environ)).encode()
    urllib.request.urlopen(api + request_id + "/response", data=answer)
"""


def environment_of(cloud: Cloud, name: str, runtime: str) -> dict[str, str]:
    """Create a function with the variable OWN, invoke the function and return its environment."""
    options = {"Environment": {"Variables": {"OWN": "mine", "AWS_ENDPOINT_URL_SQS": "own"}}}
    if runtime.startswith("provided"):
        options |= {"Zip": resources.zipped("bootstrap", BOOTSTRAP), "Handler": "bootstrap"}
    resources.function(cloud, name, "return dict(os.environ)", Runtime=runtime, **options)
    answer = cloud.client("lambda").invoke(FunctionName=name)
    assert "FunctionError" not in answer
    return json.loads(answer["Payload"].read())


@pytest.mark.gap
@pytest.mark.parametrize("runtime", [resources.PYTHON_RUNTIME, "provided.al2023"])
def test_function_sees_only_listed_variables(cloud: Cloud, name: str, runtime: str) -> None:
    environment = environment_of(cloud, name, runtime)
    assert environment["OWN"] == "mine"
    assert environment["AWS_ENDPOINT_URL_SQS"] == "own"
    assert environment["PASSED_ON"] == "yes"
    assert environment["AWS_ENDPOINT_URL"] == cloud.url
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    for leaked in ("SHELL_VARIABLE", "NOT_SET", "STATE_DIR", "SMTP_HOST", "HOME", "GATEWAY_PORT"):
        assert leaked not in environment
