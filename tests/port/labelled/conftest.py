"""The projects below are read by `glia check`, never run: pytest collects none of their tests."""

collect_ignore_glob = ["*"]
