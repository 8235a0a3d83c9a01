"""`python -m kbnd`: the command `kbnd`, for an interpreter whose scripts are not on the path."""

from kbnd.cli import main

if __name__ == "__main__":
    main()
