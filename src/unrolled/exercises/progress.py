"""What is done, and a short code that carries it from the page to a notebook and back.

The page keeps its own record in the reader's browser. Nothing is sent anywhere.
"""
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"       # Crockford's: no letter that looks like a digit
LOOKALIKES = str.maketrans("OIL", "011")
PRIME = 1021                                        # just under two letters: one wrong letter, or two swapped, are found
PARTS = ("question", "check")                       # of every exercise: answered in the page, solved in a notebook


def encode(done: set[tuple[str, str]], names: list[str]) -> str:
    """The code for a set of (exercise, part).

    Args:
        names: all exercises, in an order to which new ones are only ever added.
    """
    number = sum(1 << (2 * names.index(name) + PARTS.index(part)) for name, part in done)
    check = (37 * number + 11) % PRIME
    letters = ALPHABET[check // 32] + ALPHABET[check % 32]
    while number or len(letters) < 3:
        number, digit = divmod(number, 32)
        letters = ALPHABET[digit] + letters
    return "-".join(letters[max(0, end - 4):end] for end in range(len(letters) % 4 or 4, len(letters) + 1, 4))


def decode(code: str, names: list[str]) -> set[tuple[str, str]]:
    """The inverse of ``encode``. Spaces, hyphens and small letters do not matter.

    Raises:
        ValueError: not a code, or one with a slip in it.
    """
    letters = "".join(code.upper().split()).replace("-", "").translate(LOOKALIKES)
    if len(letters) < 3 or any(c not in ALPHABET for c in letters):
        raise ValueError(f"{code!r} is not a progress code: it has at least three letters and digits, like 0A3F-9K")
    value = 0
    for letter in letters[:-2]:
        value = 32 * value + ALPHABET.index(letter)
    check = 32 * ALPHABET.index(letters[-2]) + ALPHABET.index(letters[-1])
    if check != (37 * value + 11) % PRIME:
        raise ValueError(f"there is a slip in the progress code {code!r}: compare it letter by letter")
    if value >> (2 * len(names)):
        raise ValueError(f"the progress code {code!r} knows more exercises than this version of the book: install the newer one")
    return {(names[k // 2], PARTS[k % 2]) for k in range(2 * len(names)) if value >> k & 1}
