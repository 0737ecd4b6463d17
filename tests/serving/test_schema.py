"""The interface keeps to its own OpenAPI, whatever is sent to it: schemathesis makes the requests, seeded and few."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from served import HEADERS, Fitted, running

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 8


@pytest.mark.filterwarnings("ignore")  # of the libraries that make the requests
def test_every_operation_keeps_to_the_schema(fitted: Fitted, tmp_path: Path) -> None:
    with running(fitted, "--answers", tmp_path / "answers.csv") as one:
        schema = schemathesis.openapi.from_url(f"{one.base}/openapi.json")
        operations = [result.ok() for result in schema.get_all_operations()]
        assert len(operations) >= 15
        seen: set[tuple[str, int]] = set()
        for operation in operations:
            if operation.label == "POST /v1/refit":  # which would fit; it has tests of its own
                continue

            @seed(0)
            @settings(
                max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode)))
            def holds(case: schemathesis.Case) -> None:
                response = case.call(headers=HEADERS)
                seen.add((case.operation.label, response.status_code))
                case.validate_response(response, checks=CHECKS)

            holds()
        assert len({label for label, status in seen if status < 300}) >= 10 and any(status == 422 for _, status in seen)
        assert httpx.get(f"{one.base}/v1/health").status_code == 200
