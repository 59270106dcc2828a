#!/usr/bin/env python
"""The command line of the project."""

import os
import secrets
import sys


def main() -> None:
    if sys.version_info < (3, 11):
        sys.exit(f"apc needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "apcweb.settings")
    if sys.argv[1:2] == ["help"] or {"-h", "--help"} & set(sys.argv):  # nothing is signed: any secret will do
        for name in ("APC_SECRET_KEY", "APC_AUDIT_KEY"):
            os.environ.setdefault(name, secrets.token_urlsafe(50))
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
        from django.db import OperationalError
    except ImportError as error:
        sys.exit(f"apc is not installed here ({error}); run `make run`.")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"apc: {error}")
    except OperationalError as error:
        sys.exit(f"apc: the database does not answer ({str(error).splitlines()[0]}); is `make run` running?")


if __name__ == "__main__":
    main()
