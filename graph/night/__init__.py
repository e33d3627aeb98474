"""The night: what was taught by day becomes an adapter that has to prove itself."""
