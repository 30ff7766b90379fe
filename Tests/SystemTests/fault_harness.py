#!/usr/bin/env python3
"""Faults at random under numbered messages: fault_harness.py --help, and faults/__init__.py for what is where."""

import sys

from faults.harness import main

if __name__ == "__main__":
    sys.exit(main())
