"""``python -m spacer_like`` is the command ``spacer-like``."""

import sys

from spacer_like.cli import main

if __name__ == "__main__":
    sys.exit(main())
