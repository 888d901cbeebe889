"""Many requests at once: who runs them, and where."""
