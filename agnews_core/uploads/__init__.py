"""Reads the texts out of a file that a stranger uploaded, or that lies on one's own machine, whatever kind of file it is.

    parent (this process)  ── the open file ──>  child (another process)  ── a file of lines of texts ──>  back here

Neither side holds all texts, unless the kind of file wants it. A stranger's file has fixed limits, one's own the machine's.

Read are pickles, CSV, TSV, plain text, JSON, JSON lines, Parquet and Arrow. What a file is, its content tells; its name
only decides where the content leaves two readings open. The child alone looks into the file. It is started afresh for
each, with:

- limits on memory, processor time, open files and the size of what it writes; no core dump; for pickles and JSON also
  no new process or thread (pyarrow, which reads the others, cannot do without a thread);
- no environment of ours, no input but the open file and the options below, and a session of its own, which is killed as
  a whole when the time is up;
- a network namespace with nothing in it, where the system lets an ordinary user make one. Elsewhere (most containers)
  the child simply never uses the network. Either way this is a second fence: the first is that nothing in a file is
  run.

Where Python has no `resource` module (Windows) only the limit on time holds, and macOS does not enforce all of the
others; the readers' own checks of every length hold everywhere. What comes back is checked to be texts before it is
used.
"""

from agnews_core.uploads.cells import CellChoice
from agnews_core.uploads.columns import Choice
from agnews_core.uploads.limits import STRANGERS, Limits, choose_own_limits
from agnews_core.uploads.parent import Upload, open_upload, read_texts, read_upload
from agnews_core.uploads.tables import Table, open_table

__all__ = [
    "STRANGERS",
    "CellChoice",
    "Choice",
    "Limits",
    "Table",
    "Upload",
    "choose_own_limits",
    "open_table",
    "open_upload",
    "read_texts",
    "read_upload",
]
