"""What a picture shows, read back from it."""
from itertools import combinations


def lines_of(ax) -> dict:
    """Label -> line, of the lines that have one."""
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def look(line) -> tuple:
    return line.get_color(), str(line._dash_pattern), line.get_marker()


def assert_labels_apart(fig):
    """Every label is where it can be read: none on another, none beyond the picture."""
    fig.canvas.draw()
    for ax in fig.axes:
        boxes = [text.get_window_extent() for text in ax.texts]
        assert not [1 for a, b in combinations(boxes, 2) if a.overlaps(b)]
        assert all(0 <= box.x0 and box.x1 <= fig.bbox.width and 0 <= box.y0 and box.y1 <= fig.bbox.height for box in boxes)
