"""What a model is taught from: conversations, checked before they train anything."""
