"""Stage `report`: write one HTML page that shows the results."""
