"""The one page that shows the results to a person."""
