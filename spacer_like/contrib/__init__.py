"""Parts of frameworks of others, each with an extra of its own."""
