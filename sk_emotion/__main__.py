"""``python -m sk_emotion`` is ``sk-emotion``."""

from .cli import main

if __name__ == "__main__":
    main()
