"""How long a test waits for another process before it calls it hung: a busy machine is no failure."""

HANG_S = 1800.0
