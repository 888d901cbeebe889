"""The command line, for tests of what persons do."""

from ..cli.conftest import command as command
