from operators.audit import admin as audit  # noqa: F401  (registers itself)
from operators.data import admin as data  # noqa: F401  (registers itself)
from operators.people import admin as people  # noqa: F401  (registers itself)
from operators.team import admin as team  # noqa: F401  (registers itself)
