"""Make what the book needs, one step at a time: environment, browser. Runs before anything is installed.

    python3 tools/prepare.py environment     .venv from requirements.lock, and this package in it
    .venv/bin/python tools/prepare.py browser     print the path of a Chromium, installing one if need be

Standard library only, and readable by old Pythons, so that they can say that they are too old. Each
step leaves a stamp when it is done; interrupted ones are taken up again.
"""
import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, os.environ.get("UNROLLED_VENV", ".venv"))
NEEDED_GB = 3.0


def stop(sentence):
    sys.stderr.write("\n" + sentence + "\n")
    sys.exit(1)


def python_of(venv):
    return os.path.join(venv, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))


def fingerprint():
    """Changes when what is to be installed changes."""
    digest = hashlib.sha256(sys.version.encode())
    for name in ("requirements.lock", "pyproject.toml"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def check_python(version=None):
    version = version or sys.version_info[:2]
    if version < (3, 11):
        stop("This book needs Python 3.11 or later, and found only %d.%d: install a newer one, or name it, "
             "as in `make book PYTHON=/path/to/python3.12`." % version)


def check_venv():
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as missing:
        stop("This Python has no %s module, which an environment needs: install it "
             "(on Debian and Ubuntu: apt install python3-venv)." % missing.name)


def check_space():
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < NEEDED_GB:
        stop("The environment needs about %.0f GB of disk, and only %.1f GB are free here." % (NEEDED_GB, free))


def environment():
    """The environment from the lock; does nothing when it is there and the lock has not changed."""
    check_python()
    stamp = os.path.join(VENV, "unrolled-installed")
    wanted = fingerprint()
    if os.path.isfile(stamp) and open(stamp).read() == wanted:
        return
    check_venv()
    if not os.path.isfile(stamp):
        check_space()
    python = python_of(VENV)
    if not os.path.isfile(python) or subprocess.call([python, "-m", "pip", "--version"], stdout=subprocess.DEVNULL,
                                                     stderr=subprocess.DEVNULL):
        print("creating the environment in %s" % os.path.relpath(VENV, ROOT), flush=True)
        if subprocess.call([sys.executable, "-m", "venv", "--clear", VENV]):
            stop("The environment could not be created: see the message above.")
    if os.path.isfile(stamp):
        os.remove(stamp)                # from here on the environment is that of no lock, until all is installed
    print("installing the packages of requirements.lock (some minutes the first time)", flush=True)
    for arguments in (["-r", "requirements.lock"], ["--no-deps", "--editable", "."]):
        if subprocess.call([python, "-m", "pip", "install", "--disable-pip-version-check", *arguments], cwd=ROOT):
            stop("The packages could not be installed: see the message above. If the package registry is out of reach, "
                 "try again later; the same command goes on where it stopped.")
    with open(stamp, "w") as file:
        file.write(wanted)


def find_browser():
    for name in (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        path = shutil.which(name) if name else None
        if path:
            return path
    try:
        from playwright.sync_api import sync_playwright
        with sync_playwright() as p:
            if os.path.isfile(p.chromium.executable_path):
                return p.chromium.executable_path
    except ImportError:
        pass
    return None


def browser():
    """Print the path of a Chromium: the machine's, else Debian's, else Playwright's own."""
    path = find_browser()
    if path is None and shutil.which("apt-get"):
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        sys.stderr.write("installing Debian's chromium\n")
        quiet = {"stdout": sys.stderr, "env": dict(os.environ, DEBIAN_FRONTEND="noninteractive")}
        try:
            if subprocess.call(sudo + ["apt-get", "update", "-qq"], **quiet) == 0:
                subprocess.call(sudo + ["apt-get", "install", "-y", "-qq", "chromium"], **quiet)
        except OSError:
            pass
        path = find_browser()
    if path is None:
        sys.stderr.write("installing Playwright's own chromium\n")
        subprocess.call([sys.executable, "-m", "playwright", "install", "chromium"], stdout=sys.stderr)
        path = find_browser()
    if path is None:
        stop("No Chromium was found and none could be installed: the tests look at the pages in a real browser. "
             "Install one, or name it in the variable CHROMIUM.")
    print(path)


if __name__ == "__main__":
    steps = {"environment": environment, "browser": browser}
    if len(sys.argv) != 2 or sys.argv[1] not in steps:
        stop("usage: prepare.py %s" % " | ".join(steps))
    try:
        steps[sys.argv[1]]()
    except KeyboardInterrupt:
        stop("Stopped. The same command goes on where it stopped.")
