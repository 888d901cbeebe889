"""A Django application that keeps jobs in its database, and runs them on an engine."""
