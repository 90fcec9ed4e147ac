"""Programs and who runs them: the compiled engine and the reference."""
