"""The memory that one step frees, the next one wants again: glibc keeps it, if it is told so before the process starts.

Left alone, glibc gives large pieces back to the system at once, and each step pays for every page of them anew. Only
the command line asks for this, by starting itself once more; importing the package changes nothing.
"""
import os
import sys

# In bytes: from which size on a piece is taken from the system and given back by itself; how much may lie free before
# the rest is given back; how much more than it needs is asked for at once.
KEEP = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_TOP_PAD_": "200000000"}
OLD = {"MALLOC_MMAP_THRESHOLD_": "33554432"}    # a glibc before 2.36 may refuse more, without a word


def missing() -> dict[str, str]:
    """Those of ``KEEP`` that the environment does not set already; none where the allocator is not glibc's."""
    try:
        glibc = sys.platform == "linux" and os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):               # another C library does not know the name
        glibc = None
    if not glibc:
        return {}
    keep = KEEP if tuple(map(int, glibc.split()[1].split(".")[:2])) >= (2, 36) else KEEP | OLD
    return {name: value for name, value in keep.items() if name not in os.environ}


def start_anew() -> None:
    """Start this very command once more with what is ``missing``, in its place: same process number, same files.

    Returns where nothing is missing, as in the process that it started.
    """
    if (settings := missing()) and sys.executable:
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | settings)
