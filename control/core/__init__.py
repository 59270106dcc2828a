"""The pure core: Python and numpy. No Django, no clock, no I/O, no global random state."""
