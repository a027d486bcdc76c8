"""What can go wrong, as one tree.

    AgNewsError
    ├── ConfigError        a setting that cannot be used (also a ValueError)
    ├── DataError          news or an upload that cannot be read
    │   └── UnsafePickleError   a pickle that asks for more than plain data
    ├── HubError           something of the hub that cannot be had; passed on in words that say what it was for
    ├── CheckpointError    a backbone, adapter or checkpoint that cannot be had or does not fit
    ├── ProcessLostError   one of several processes that work together is gone
    └── RunError           a run that cannot be created, found, resumed or finished
        └── StoppedEarlyError   a stop was asked for before there was anything to keep

Every message is a plain sentence or two: what was wanted, what came, the way out.
The command line and the page show the message alone. In between they are caught only to record a failure with its run, to pass it
on in other words or out of a child process, or where what cannot be read counts as not there.
"""


class AgNewsError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(AgNewsError, ValueError):
    """A setting has a value that cannot be used."""


class DataError(AgNewsError):
    """News or an uploaded file cannot be read, or holds something else than news."""


class UnsafePickleError(DataError):
    """A pickle names a class or function that plain data does not need."""


class HubError(AgNewsError):
    """Something cannot be had from the hub.

    Attributes:
        reason: Why, a clause for a sentence that says what was wanted.
        advice: What can be done, another.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason[0].upper()}{reason[1:]}; {advice}.")
        self.reason, self.advice = reason, advice


class CheckpointError(AgNewsError):
    """A backbone, an adapter or a checkpoint cannot be had, or does not fit what it is used with."""


class ProcessLostError(AgNewsError):
    """Another of the processes that work together is gone, or does not answer."""


class RunError(AgNewsError):
    """A run cannot be created, found, resumed, or could not finish."""


class StoppedEarlyError(RunError):
    """A run was asked to stop before there was anything to keep."""


def quote(value: object) -> str:
    r"""Return a value of a stranger's as it may stand in a message: quoted, printable and not too long.

    >>> print(quote("a\nb"), len(quote("x" * 10**6)))
    'a\nb' 82
    """
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
