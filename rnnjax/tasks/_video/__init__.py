"""Parts of the application `video`."""
