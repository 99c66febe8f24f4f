"""The supervisor as a program: ``python -I -S supervise.py SPOOL MARK``."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from batch.local.supervisor import main

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
