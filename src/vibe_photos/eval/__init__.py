"""How good labels are: definitions, intervals, student against truth, teacher against human."""
