// Nothing but a name for all executables of a system: what depends on them is built with them, all at once.
