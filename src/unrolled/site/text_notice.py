"""Every page says which text the build used."""
import html
import warnings

from unrolled.text import load_corpus
from unrolled.text.corpus import Corpus


def text_in_use() -> Corpus:
    """The text that the pages train on here, without a word about it and without asking the network."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")        # the page says it in words
        return load_corpus(download=False)


def notice() -> tuple[str, bool]:
    """The sentence about the text, and whether it is a stand-in."""
    corpus = text_in_use()
    return corpus.notice, corpus.stand_in


def add_notice(app, pagename, templatename, context, doctree):
    """Below every page the sentence; above it too where a stand-in was used."""
    if doctree is None or "body" not in context:
        return
    sentence, stand_in = app.env.text_notice
    line = html.escape(sentence)
    context["body"] += f'\n<p class="text-notice">{line}</p>\n'
    if stand_in:
        context["body"] = (f'<div class="admonition warning"><p class="admonition-title">Another text</p><p>{line}</p></div>\n'
                           + context["body"])


def setup(app):
    app.connect("env-updated", lambda app, env: setattr(env, "text_notice", notice()))
    app.connect("html-page-context", add_notice, priority=900)
