#!/usr/bin/env python3
"""Random IMAP commands beside a model of IMAP: imap_model.py --help, and model/__init__.py for what is where."""

from model.run import main

if __name__ == "__main__":
    main()
