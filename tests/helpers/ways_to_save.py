"""Ways in which programs save a text file."""

import unicodedata
from collections.abc import Callable

NFC, NFD = "Müller_é", unicodedata.normalize("NFD", "Müller_é")


# Ways to save a text file; all have the same content.
SAVED: dict[str, Callable[[str], bytes]] = {
    "plain": lambda text: text.encode(),
    "bom": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "crlf": lambda text: text.replace("\n", "\r\n").encode(),
    "backslashes": lambda text: text.replace("/", "\\").encode(),
    "decomposed": lambda text: unicodedata.normalize("NFD", text).encode(),
    "blanks": lambda text: text.replace("\n", " \t\n").encode(),
    "empty lines": lambda text: ("\n" + text.replace("\n", "\n\n")).encode(),
    "no last newline": lambda text: text.rstrip("\n").encode(),
    "all": lambda text: (
        b"\xef\xbb\xbf" + unicodedata.normalize("NFD", text.replace("/", "\\").replace("\n", " \r\n")).encode()
    ),
}
