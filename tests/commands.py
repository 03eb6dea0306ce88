"""Management commands as a test runs them."""

from dataclasses import dataclass
from io import StringIO

from django.core.management import CommandError, call_command


@dataclass(frozen=True)
class Ran:
    """What a command said, and the exit code that its process would have."""

    code: int
    out: str
    err: str


def run(name: str, *arguments: object) -> Ran:
    out, err = StringIO(), StringIO()
    code: object = 0
    try:
        call_command(name, *map(str, arguments), stdout=out, stderr=err)
    except CommandError as problem:
        code = problem.returncode
        err.write(str(problem))
    except SystemExit as ended:
        code = ended.code
    assert isinstance(code, int)
    return Ran(code, out.getvalue(), err.getvalue())
