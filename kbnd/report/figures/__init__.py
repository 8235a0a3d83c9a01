"""The pictures of studies and searches."""
