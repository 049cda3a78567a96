"""What a person corrects and how it comes in."""
