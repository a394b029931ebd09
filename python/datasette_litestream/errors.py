"""What ends Datasette's start with a sentence."""

from __future__ import annotations

import click
from datasette import utils


class StartupError(utils.StartupError, click.ClickException):
    """Datasette prints the message and ends; its own class brings a traceback with it before 1.0a24."""
