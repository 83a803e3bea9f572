"""What arrives in a form, and from where."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData

#: Bytes of a form; ours have a few hundred.
MAX_BODY = 64 * 1024
_MAX_FIELDS = 200


class Fields:
    """The text fields of a form, urlencoded or multipart. A field that is not there is empty."""

    def __init__(self, form: FormData) -> None:
        self._form = form

    def text(self, name: str) -> str:
        """Return the field's value without the white space around it."""
        return str(self._form.get(name, "")).strip()

    def all(self, name: str) -> set[str]:
        """Return every value of a field that may come several times."""
        return {str(value) for value in self._form.getlist(name)}


async def _fields(request: Request) -> Fields:
    """Read the form; files are refused, and a damaged body ends in the page for 400."""
    return Fields(await request.form(max_files=0, max_fields=_MAX_FIELDS))


#: How a handler asks for the form.
FieldsParameter = Annotated[Fields, Depends(_fields)]


def client_ip(request: Request) -> str:
    """Return the client's IP address as the server knows it, or nothing."""
    return request.client.host if request.client else ""
