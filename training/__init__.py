"""How a model comes to be: curriculum, training run, evaluation."""
