"""`python -m glia`: the command `glia`, where its script is not on the path."""

from glia.cli import main

if __name__ == "__main__":
    main()
