"""The review page, where people check labels in the browser."""
