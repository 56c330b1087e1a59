"""The names a catalog gives: of entries, and of systems put together from them."""

from typing import Annotated

from pydantic import StringConstraints

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=80)]
"""Lower-case letters, digits, dot, dash, underscore: safe in file names, partition keys and URLs."""

SystemSlug = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9][a-z0-9._-]*(\+[a-z0-9][a-z0-9._-]*)?(@[a-z0-9][a-z0-9._-]*)?$", max_length=200
    ),
]
"""`base[+adapter][@scheme]`."""
