"""The five roles, their bounded tool loop, and the seam to the local model."""
