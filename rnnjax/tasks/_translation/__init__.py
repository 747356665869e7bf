"""Parts of the application `translation`."""
