#!/usr/bin/env python
"""Every command of the project: ``python manage.py help`` lists them."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ccagent.settings")
    from django.core.management import execute_from_command_line

    from ccagent.environment import EnvironmentProblem

    try:
        execute_from_command_line(sys.argv)
    except EnvironmentProblem as problem:
        sys.exit(f"error: {problem}")


if __name__ == "__main__":
    main()
