"""`python -m agnews_core`: the command line."""

import sys

from agnews_core.cli import main
from agnews_core.devices import expect_own_cores

expect_own_cores()
sys.exit(main())
