"""What a model is to learn from the user, written as the conversations that serving has."""
