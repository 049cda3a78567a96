"""How good labels are: metrics, agreement, and the command line that prints them."""
