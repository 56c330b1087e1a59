"""What all commands share: which catalog, and that a user's mistake is a sentence, not a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from bias_platform.errors import UserError

CatalogOption = Annotated[
    str | None,
    typer.Option(
        "--catalog", "-c", help="demo, demo-persona, paper, or your own folder; default: $BIAS_PLATFORM_CATALOG, demo"
    ),
]


@contextmanager
def sentences() -> Iterator[None]:
    """A user's mistake ends the command with its sentence and exit status 2."""
    try:
        yield
    except UserError as error:
        typer.secho(str(error), err=True, fg=typer.colors.RED)
        raise typer.Exit(2) from error
