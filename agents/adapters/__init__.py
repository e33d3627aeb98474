"""What was trained: adapters that never change, which of them is served, and the way back."""
