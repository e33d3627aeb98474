"""What a developer's turn says about the answer before it."""
