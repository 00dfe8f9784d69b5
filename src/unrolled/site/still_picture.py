"""Where no script runs, a page shows the still picture that a widget's output carries beside its view."""
from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

VIEW = "application/vnd.jupyter.widget-view+json"


class StillPicture(SphinxPostTransform):
    """After each widget's place, its picture inside <noscript>, with the output's plain text as alt text."""

    default_priority = 3          # before MyST-NB picks one of the output's forms
    formats = ("html",)

    def run(self, **kwargs) -> None:
        for bundle in list(self.document.findall(lambda node: node.get("nb_element") == "mime_bundle"
                                                 if isinstance(node, nodes.container) else False)):
            forms = {form["mime_type"]: form for form in bundle.children}
            if not {VIEW, "image/png", "text/plain"} <= set(forms):
                continue
            for image in forms["image/png"].findall(nodes.image):
                still = image.deepcopy()
                still["alt"] = " ".join(forms["text/plain"].astext().split())
                forms[VIEW].extend([nodes.raw("", "<noscript>", format="html"), still,
                                    nodes.raw("", "</noscript>", format="html")])


def setup(app) -> None:
    app.add_post_transform(StillPicture)
