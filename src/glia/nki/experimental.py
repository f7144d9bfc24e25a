"""`nki.experimental`: names on trial; `while_loop` has become `nki.language.while_loop`."""

from glia.nki.language import while_loop

__all__ = ["while_loop"]
