"""What a request to send holds, found in its bytes without reading all of it as JSON. Pure.

Inside a JSON string every quotation mark stands behind a backslash, so nothing in a mail's text can look like a field.
"""

from __future__ import annotations

import json
import re

_STRING = rb'"(?:[^"\\]|\\.)*"'
_TO = re.compile(rb'"to"\s*:\s*\[')
_READERS = re.compile(rb'"to"\s*:\s*\[\s*\{(?:[^"{}]|' + _STRING + rb')*?"email"\s*:\s*(' + _STRING + rb")")
_CUSTOM_ARGS = re.compile(rb'"custom_args"\s*:\s*(\{(?:' + _STRING + rb'|[^"}])*\})')


def readers_in(body: bytes) -> int:
    """Return how many personalizations have a `to`."""
    return len(_TO.findall(body))


def addresses_in(body: bytes) -> list[str]:
    """Return the first address of each personalization that has one."""
    return [json.loads(one.decode(errors="replace"), strict=False) for one in _READERS.findall(body)]


def custom_args_in(body: bytes) -> list[bytes]:
    """Return the custom_args of the request and of each personalization, as JSON, in order."""
    found: list[bytes] = _CUSTOM_ARGS.findall(body)
    return found
