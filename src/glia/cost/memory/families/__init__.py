"""The families of models: each reads its config keys and composes blocks."""
