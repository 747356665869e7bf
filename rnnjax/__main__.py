"""`python -m rnnjax TASK COMMAND …`, the console command."""

import sys

from .tasks._command import main

if __name__ == "__main__":
    sys.exit(main())
