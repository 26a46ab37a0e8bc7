"""Failover groups: ordered members behind one ref, of which the best fit one has the role."""
