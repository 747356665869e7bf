"""Parts of the application `memory`."""
