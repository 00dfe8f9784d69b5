"""The memory cell as one drawing that grows over four figures: gates, input node, internal state, hidden state.

The memory is a bold line that runs through the cell. A gate is a learned tile below and a valve on a pipe.
Nothing moves between the figures: what comes later waits as dotted lines, what is known steps back.
Every wire and node has an id (``wire-f``, ``node-f``), so that a widget can drive the same drawing.
"""
from unrolled.figures.pen import chevrons, drawing, group, head, joint, nozzle, symbol, tile, valve, wire, words

STAGES = ("gates", "node", "state", "hidden")
DESCRIPTIONS = {
    "gates": "The input and the previous hidden state are read by three sigmoid layers: forget, input and output gate. "
             "Each works a valve. The pipes of the valves are dotted: they come in the next figures.",
    "node": "A fourth layer, tanh, reads the same inputs and offers a candidate at the valve of the input gate.",
    "state": "The memory is a bold line from the previous cell state to the new one. The valve of the forget gate lies on "
             "it; behind the valve of the input gate the candidate is added to it.",
    "hidden": "A branch of the memory goes through tanh and the valve of the output gate. What comes out is the hidden "
              "state: it goes to the output layer and to the next step.",
}
MEMORY, WRITE, READ, TILES, FEED = 60, 134, 160, 240, 247      # heights: memory line, valves, tiles, hidden state
F, I, N, O, OUT = 72, 148, 224, 300, 400                       # columns: the four layers, the way out


def cell(stage: str) -> str:
    """The cell up to a stage.

    Raises:
        ValueError: a stage that is none of "gates", "node", "state", "hidden".
    """
    if stage not in STAGES:
        raise ValueError(f"the cell has the stages {', '.join(STAGES)}, not {stage!r}")
    now = STAGES.index(stage)

    def presence(since: int) -> str:
        return "ghost" if now < since else "new" if now == since else "whole" if now == 3 else "old"

    def label(since: int, *parts: str) -> str:
        return "".join(parts) if now >= since else ""

    readers = group(
        "readers",
        f'<rect class="u-x u-wash" x="22" y="{TILES - 42}" width="330" height="112" rx="16"/>',
        wire("h-in", "H", f"M2 {FEED}H16", 3.4), head("H", 30, FEED, "right", 8),
        symbol(2, FEED - 17, "H", "t−1", quantity="H"),
        wire("x-in", "x", "M187 340V322", 3), head("x", 187, 310, "up", 8),
        symbol(200, 341, "X", "t"),
        words(187, 294, "each reads both, with weights of its own"), presence="whole")
    memory = group(
        "memory", wire("c", "C", f"M0 {MEMORY}H462", 9 if now >= 2 else 2.4),
        label(2, head("C", 480, MEMORY, "right", 11),
              chevrons([(x, MEMORY) for x in (24, 112, 144, 176, 264, 296, 328, 360, 440)]),
              symbol(2, MEMORY - 22, "C", "t−1", quantity="C"), symbol(452, MEMORY - 22, "C", "t", quantity="C")),
        presence=presence(2))
    write = group(
        "write", wire("n-to-valve", "C_tilde", f"M{N} {TILES - 30}V{WRITE + 17}", 2.4 if now < 1 else 4), presence=presence(1))
    add = group("add", wire("write", "C", f"M{N} {WRITE}V{MEMORY + 16}", 2.4 if now < 2 else 5),
                label(2, joint("add", "C", N, MEMORY)), presence=presence(2))
    read = group(
        "read", wire("c-out", "C", f"M{OUT} {MEMORY}V90", 2.4 if now < 3 else 5),
        label(3, nozzle("tanh", "C", OUT, 90), words(OUT + 27, 109, "tanh", quantity="C", anchor="start", bold=True)),
        wire("tanh", "C", f"M{OUT} 118V{READ}", 2.4 if now < 3 else 4),
        wire("h", "H", f"M{OUT} {READ}V{FEED}M{OUT} {FEED}H464M{OUT} {FEED}V322", 2.4 if now < 3 else 3.8),
        label(3, head("H", 479, FEED, "right", 8), head("H", OUT, 336, "down", 8),
              symbol(446, FEED - 17, "H", "t", quantity="H"), words(OUT - 16, 334, "to the output layer", anchor="end")),
        presence=presence(3))

    def gate(name: str, quantity: str, x: float, to: str, place: tuple[float, float], pipe: str, word: tuple, letter: tuple) -> str:
        return group(
            f"gate-{name}", wire(name, quantity, f"M{x} {TILES - 30}{to}"),
            valve(f"valve-{name}", quantity, *place, pipe), tile(name, quantity, x, TILES, "σ"),
            words(*word[:3], quantity=quantity, anchor=word[3], bold=True),
            symbol(*letter, name.upper(), "t", quantity=quantity), presence=presence(0))

    node = group("node", tile("n", "C_tilde", N, TILES, "tanh"), symbol(N + 9, 188, "C", "t", quantity="C_tilde", tilde=True),
                 presence=presence(1)) if now >= 1 else group(
        "node", f'<rect class="u-x u-node" x="{N - 30}" y="{TILES - 29}" width="60" height="58" rx="9"/>', presence="ghost")
    return drawing(
        480, 350, f"The memory cell, {['its gates', 'with its input node', 'with its internal state', 'whole'][now]}",
        DESCRIPTIONS[stage], readers, memory, write, add, read,
        gate("f", "F", F, f"V{MEMORY}", (F, MEMORY), "across", (F + 24, MEMORY - 20, "keep", "start"), (F + 9, 188)),
        gate("i", "I", I, f"V{WRITE}H{N}", (N, WRITE), "along", (N + 26, WRITE + 5, "write", "start"), (I + 9, 188)),
        gate("o", "O", O, f"V{READ}H{OUT}", (OUT, READ), "along", (OUT + 25, READ + 5, "show", "start"), (O + 9, 188)),
        node)
