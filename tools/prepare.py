"""Make what the book needs, one step at a time: environment, mxnet, triton, browser. Runs before anything is installed.

    python3 tools/prepare.py environment     .venv from requirements.lock, and this package in it
    python3 tools/prepare.py mxnet           .venv-mxnet from tools/mxnet.lock, this package in it, and its Jupyter kernel
    python3 tools/prepare.py triton          .venv-triton from tools/triton.lock: Triton alone, for tests of the GPU kernel
    .venv/bin/python tools/prepare.py browser     print the path of a Chromium, installing one if need be

Standard library only, and readable by old Pythons, so that they can say that they are too old. Each
step leaves a stamp when it is done; interrupted ones are taken up again.
"""
import hashlib
import os
import platform
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, os.environ.get("UNROLLED_VENV", ".venv"))
NEEDED_GB = 6.0
MXNET_VENV = VENV + "-mxnet"
TRITON = VENV + "-triton"
KERNELS = os.path.join(ROOT, "_build")      # below it share/jupyter/kernels; the Makefile says so in JUPYTER_PATH


NOT_HERE = 3            # the exit status where something cannot be had on this machine at all


def stop(sentence, status=1):
    sys.stderr.write("\n" + sentence + "\n")
    sys.exit(status)


def python_of(venv):
    return os.path.join(venv, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))


def fingerprint(lock):
    """Changes when what is to be installed changes."""
    digest = hashlib.sha256(sys.version.encode())
    for name in (lock, "pyproject.toml"):
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


def check_space(needed_gb):
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < needed_gb:
        stop("The environment needs about %.0f GB of disk, and only %.1f GB are free here." % (needed_gb, free))


def install(venv, lock, needed_gb, base=sys.executable):
    """An environment from a lock; does nothing when it is there and the lock has not changed."""
    stamp = os.path.join(venv, "unrolled-installed")
    wanted = fingerprint(lock)
    if os.path.isfile(stamp) and open(stamp).read() == wanted:
        return
    check_venv()
    if not os.path.isfile(stamp):
        check_space(needed_gb)
    python = python_of(venv)
    if not os.path.isfile(python) or subprocess.call([python, "-m", "pip", "--version"], stdout=subprocess.DEVNULL,
                                                     stderr=subprocess.DEVNULL):
        print("creating the environment in %s" % os.path.relpath(venv, ROOT), flush=True)
        if subprocess.call([base, "-m", "venv", "--clear", venv]):
            stop("The environment could not be created: see the message above.")
    if os.path.isfile(stamp):
        os.remove(stamp)                # from here on the environment is that of no lock, until all is installed
    print("installing the packages of %s (some minutes the first time)" % lock, flush=True)
    for arguments in (["-r", lock], ["--no-deps", "--editable", "."]):     # what is never imported need not be compiled
        if subprocess.call([python, "-m", "pip", "install", "--no-compile", "--disable-pip-version-check", *arguments], cwd=ROOT):
            stop("The packages could not be installed: see the message above. If the package registry is out of reach, "
                 "try again later; the same command goes on where it stopped.")
    with open(stamp, "w") as file:
        file.write(wanted)


def environment():
    """The book's environment."""
    check_python()
    install(VENV, "requirements.lock", NEEDED_GB)


def find_mxnet_python():
    """A Python of those that the last NumPy for MXNet was built for: this one, or one on the path."""
    if sys.version_info[:2] in ((3, 11), (3, 12)):
        return sys.executable
    for name in ("python3.12", "python3.11"):
        try:
            if subprocess.call([name, "-c", "import ensurepip, venv"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
                return name
        except OSError:                 # there is none
            pass
    stop("MXNet is retired, and its last version needs Python 3.11 or 3.12: found only %d.%d." % sys.version_info[:2], NOT_HERE)


def check_mxnet():
    machine = platform.system(), platform.machine().lower()
    if machine not in (("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "x86_64")):
        stop("MXNet is retired, and its last version was built for Linux and for Macs with an Intel processor: there is none "
             "for this machine (%s, %s)." % machine, NOT_HERE)


def mxnet():
    """MXNet's environment, and its kernel where the book's build looks for one."""
    check_python()
    check_mxnet()
    install(MXNET_VENV, "tools/mxnet.lock", 1.0, find_mxnet_python())
    kernel = os.path.join(KERNELS, "share", "jupyter", "kernels", "unrolled-mxnet", "kernel.json")
    python = python_of(MXNET_VENV)
    if os.path.isfile(kernel) and python in open(kernel).read():
        return
    if subprocess.call([python, "-m", "ipykernel", "install", "--prefix", KERNELS, "--name", "unrolled-mxnet",
                        "--display-name", "Python 3 (MXNet)"]):
        stop("MXNet's kernel could not be made known to Jupyter: see the message above.")


def triton():
    """Triton in a folder of its own: in a process that has TensorFlow already, importing it is a segmentation fault."""
    check_python()
    if platform.system() != "Linux":
        stop("Triton is made for Linux, and this is %s: the GPU kernel's tests are left out." % platform.system(), NOT_HERE)
    stamp, lock = os.path.join(TRITON, "unrolled-installed"), "tools/triton.lock"
    wanted = fingerprint(lock)
    if os.path.isfile(stamp) and open(stamp).read() == wanted:
        return
    check_space(1.0)
    shutil.rmtree(TRITON, ignore_errors=True)
    if subprocess.call([python_of(VENV), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                        "--target", TRITON, "-r", lock], cwd=ROOT):
        stop("Triton could not be installed: see the message above.")
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
    steps = {"environment": environment, "mxnet": mxnet, "triton": triton, "browser": browser}
    if len(sys.argv) != 2 or sys.argv[1] not in steps:
        stop("usage: prepare.py %s" % " | ".join(steps))
    try:
        steps[sys.argv[1]]()
    except KeyboardInterrupt:
        stop("Stopped. The same command goes on where it stopped.")
