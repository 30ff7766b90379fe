"""Where Martlet's ENVELOPE or BODYSTRUCTURE differs from Dovecot's on purpose, and why."""

EXPLAINED: dict[str, dict[str, str]] = {}
