"""What only looks at results: verdicts with plain advice, and pictures.

The public names of probgen include a function called `diagnose`, like this package. So that
``probgen.diagnose(tree)`` means the function whether or not the package has been imported by
then, the package itself can be called.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from probgen.diagnose.finding import Finding, Limits
from probgen.diagnose.judge import diagnose
from probgen.diagnose.verdict import Verdict

if TYPE_CHECKING:
    from probgen.diagnose.picture import save_picture

__all__ = ["Finding", "Limits", "Verdict", "diagnose", "save_picture"]


def __getattr__(name: str) -> Any:
    """`save_picture`, imported when it is first asked for."""
    if name == "save_picture":
        from probgen.diagnose.picture import save_picture

        return save_picture
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class CallablePackage(ModuleType):
    """A package that is also the function of its name."""

    def __call__(self, tree: Any, **options: Any) -> Verdict:
        """Diagnose a DataTree; see `probgen.diagnose.judge.diagnose`."""
        return diagnose(tree, **options)


sys.modules[__name__].__class__ = CallablePackage
