"""`python -m agnews_core`: the command line."""

import sys

from agnews_core.cli import main

sys.exit(main())
