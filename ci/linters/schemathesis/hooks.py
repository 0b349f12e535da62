"""What JSON Schema can't say of the API: 1.0 is an integer to it, which has to be written as 1."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Write integers without a fraction. A value may have one."""
    match body:
        case dict():
            return {
                name: value if name == "value" else map_body(context, value) for name, value in body.items()
            }
        case list():
            return [map_body(context, element) for element in body]
        case float() if body.is_integer():
            return int(body)
        case _:
            return body
