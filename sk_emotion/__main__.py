"""Run ``sk-emotion`` as ``python -m sk_emotion``."""

from .cli import main

if __name__ == "__main__":
    main()
