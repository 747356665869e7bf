"""Parts of the application `longterm`."""
