"""What every service stands on and only one of them would not need alone."""
