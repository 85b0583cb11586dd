"""Every error a user can meet, one class per kind of trouble.

All of them derive from `ProbgenError`, and their messages name the site, variable, file or
option at fault and the cure. The command line prints these without a traceback.
"""


class ProbgenError(Exception):
    """Base class of all errors raised on purpose by probgen."""


class ModelError(ProbgenError, ValueError):
    """The declared model cannot be used as it stands (a site, support, plate or shape)."""


class DataError(ProbgenError, ValueError):
    """The data or evidence do not fit the model (names, shapes, values)."""


class EvidenceError(DataError):
    """The evidence has probability zero under the network, or contradicts itself."""


class TooLargeError(ModelError):
    """The work would need more memory or time than allowed; the message says how much."""


class OptionError(ProbgenError, ValueError):
    """An option of a method or a call is out of range or unknown."""


class InitialisationError(ProbgenError, RuntimeError):
    """No starting point with a finite log density was found."""


class SamplingError(ProbgenError, RuntimeError):
    """A sampler could not go on (every proposal rejected, the model raised, ...)."""


class TrainingError(ProbgenError, RuntimeError):
    """Learning could not go on: losses or parameters became infinite or undefined.

    `fit` holds what was learned up to the last good state.
    """

    fit: object = None


class BuildError(ProbgenError, RuntimeError):
    """Native code could not be built: no compiler, or the compiler failed."""


class UnsupportedOperation(ProbgenError):
    """The density compiler has no rule for an operation; the eager density serves instead."""


class StoreError(ProbgenError, RuntimeError):
    """Stored draws cannot be written, read or gone on with; the message names the file."""
