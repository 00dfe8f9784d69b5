"""The progress code: there and back, with every slip found, and the same arithmetic in the page."""
import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.exercises import names
from unrolled.exercises.progress import ALPHABET, PARTS, decode, encode
from unrolled.widgets import base

MANY = [f"exercise{k}" for k in range(30)]
DONE = st.sets(st.tuples(st.sampled_from(MANY), st.sampled_from(PARTS)))


@given(DONE)
def test_there_and_back(done):
    assert decode(encode(done, MANY), MANY) == done


@given(DONE)
def test_how_it_is_written_does_not_matter(done):
    code = encode(done, MANY)
    assert decode(f"  {code.lower().replace('-', ' ')}\n", MANY) == decode(code.replace("0", "O").replace("1", "l"), MANY) == done


@given(DONE)
@settings(max_examples=25)
def test_every_wrong_letter_and_every_swap_is_found(done):
    code = encode(done, MANY)
    letters = code.replace("-", "")
    slips = [letters[:k] + other + letters[k + 1:] for k in range(len(letters)) for other in ALPHABET if other != letters[k]]
    slips += [letters[:k] + letters[k + 1] + letters[k] + letters[k + 2:] for k in range(len(letters) - 1) if letters[k] != letters[k + 1]]
    for slip in slips:
        with pytest.raises(ValueError, match="there is a slip in the progress code"):
            decode(slip, MANY)


@given(st.sets(st.tuples(st.sampled_from(MANY[:12]), st.sampled_from(PARTS))))
def test_a_code_of_fewer_exercises_stays_valid(done):
    code = encode(done, MANY[:12])
    assert code == encode(done, MANY) and decode(code, MANY) == done


def test_a_code_from_a_newer_book_is_refused_in_words():
    code = encode({(MANY[12], "question")}, MANY)
    with pytest.raises(ValueError, match="knows more exercises than this version of the book: install the newer one"):
        decode(code, MANY[:12])


@pytest.mark.parametrize("text", ["", "  ", "A", "0B", "-- -", "0A3?", "progress!", "ÄÖÜ", "0U0U", "٣٣٣"])
def test_what_is_no_code_is_refused_in_words(text):
    with pytest.raises(ValueError, match="is not a progress code: it has at least three letters and digits, like"):
        decode(text, MANY)


def test_codes_are_short_and_legible():
    assert encode(set(), MANY) == "00B"
    everything = {(name, part) for name in names() for part in PARTS}
    assert len(encode(everything, names())) <= 14
    assert all(len(piece) <= 4 for piece in encode(everything, names()).split("-"))
    assert not set("ILOU") & set(ALPHABET) and len(set(ALPHABET)) == 32


# The page's module, run by Node on the very file

SCRIPT = """
import {{ readFileSync }} from "node:fs";
const {{ encode, decode, PARTS }} = await import({module});
const {{ names, codes, sets }} = JSON.parse(readFileSync(0, "utf8"));
const said = (code) => {{ try {{ return [...decode(code, names)].sort(); }} catch (error) {{ return error.message; }} }};
console.log(JSON.stringify({{ parts: PARTS, encoded: sets.map((done) => encode(new Set(done), names)), decoded: codes.map(said) }}));
"""


def test_the_page_does_the_same(node):
    sets, codes = [], ["", "A", "0U0", "0A3F-9K", "00B", " 00b ", "OOB", "ZZZZ-ZZZZ-ZZZZ-ZZZZ"]

    @given(DONE)
    @settings(max_examples=60, database=None, derandomize=True)
    def collect(done):
        sets.append(sorted(done))
        code = encode(done, MANY)
        codes.extend([code, code.lower().replace("-", ""), code[:-1] + ("0" if code[-1] != "0" else "1"), code[1:]])

    collect()
    codes.append(encode({("more", "check")}, [*MANY, "more"]))
    sent = {"names": MANY, "codes": codes, "sets": [[" ".join(one) for one in done] for done in sets]}
    script = SCRIPT.format(module=json.dumps((base.FOLDER / "progress.mjs").as_uri()))
    done = subprocess.run([node, "--input-type=module", "-e", script], input=json.dumps(sent), capture_output=True, text=True,
                          encoding="utf-8")
    assert done.returncode == 0, done.stderr
    page = json.loads(done.stdout)
    assert page["parts"] == list(PARTS) and page["encoded"] == [encode(set(done), MANY) for done in sets]
    words = {"is not a progress code": "This is not a progress code", "there is a slip": "There is a slip in this code",
             "knows more exercises": "This code knows more exercises"}
    refused = set()
    for code, theirs in zip(codes, page["decoded"]):
        try:
            assert theirs == sorted(" ".join(one) for one in decode(code, MANY)), code
        except ValueError as error:
            mine = next(key for key in words if key in str(error))
            refused.add(mine)
            assert theirs.startswith(words[mine]), (code, theirs)
    assert refused == set(words)


def test_the_page_leaves_out_what_it_does_not_know(node):
    """A reader's record may hold exercises of another edition."""
    script = (f"const {{ encode }} = await import({json.dumps((base.FOLDER / 'progress.mjs').as_uri())});"
              'console.log(encode(new Set(["gone question", "b check"]), ["a", "b"]), encode(new Set(["b check"]), ["a", "b"]))')
    done = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True, encoding="utf-8")
    first, second = done.stdout.split()
    assert first == second
