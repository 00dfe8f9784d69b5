"""Exercises that check, hint and explain.

    from unrolled.exercises import check, hint, solution, show

    check("gates", gates)      what is right, or the first thing that is not
    hint("gates")              one more hint at each call
    solution("gates")          a way to do it, and why
    show("gates")              the same as buttons
"""
from unrolled.exercises.asking import check, code, enter, get, hint, names, show, solution

__all__ = ["check", "code", "enter", "get", "hint", "names", "show", "solution"]
