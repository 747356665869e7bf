"""Parts of the application `tagging`."""
