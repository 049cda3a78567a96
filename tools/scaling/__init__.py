"""What a library of any size takes in time, storage and money, reckoned from measured figures."""
