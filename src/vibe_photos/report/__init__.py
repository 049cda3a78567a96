"""The one self-contained page that shows the results."""
