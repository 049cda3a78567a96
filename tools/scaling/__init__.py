"""What a library of any size takes in time, storage and money, computed from measured figures."""
