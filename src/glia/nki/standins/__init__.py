"""Small stand-ins for what public kernels and their tests import beside `nki`.

Only the names that those files use, written from that use; the installer offers one only where the
real package is absent.
"""
