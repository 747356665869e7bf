"""Tables of calls: for each public callable a valid call, and the bad values of each argument."""
