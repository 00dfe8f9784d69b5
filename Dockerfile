# The notebooks in JupyterLab, with the versions of requirements.lock. Checked by a linter (hadolint); built nowhere yet.
#
#   make notebooks && docker build -t unrolled .
#   docker run --rm -p 127.0.0.1:8888:8888 unrolled                  then open the address that it prints
#
# On Linux the registry's torch brings CUDA along (several GB). A processor alone needs less: give the index of torch's CPU
# builds, which pytorch.org names, with --build-arg TORCH_INDEX=<its address>. For a GPU, on NVIDIA's own base:
#
#   docker build -t unrolled:cuda --build-arg BASE=nvidia/cuda:12.6.3-base-ubuntu24.04 .
#   docker run --rm --gpus all -p 127.0.0.1:8888:8888 unrolled:cuda
ARG BASE=python:3.12-slim
FROM ${BASE} AS environment

# Debian and Ubuntu keep only the newest of a package, so that a version named here would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && { command -v python3 || apt-get install --yes --no-install-recommends python3 python3-venv; } \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1001 --create-home --shell /bin/bash reader \
    && install -d -o reader /opt/unrolled /home/reader/notebooks
USER 1001
WORKDIR /home/reader

ENV UNROLLED_VENV=/opt/unrolled PATH=/opt/unrolled/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.lock .
ARG TORCH_INDEX=""
RUN python3 -m venv /opt/unrolled \
    && grep '^torch==' requirements.lock > torch.lock \
    && pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -r torch.lock \
    && pip install -r requirements.lock


FROM environment

COPY --chown=1001 . package
RUN pip install --no-deps ./package && mv package/_build/notebooks/* notebooks/ && rm -r package

EXPOSE 8888
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8888/api', timeout=4)"]
CMD ["python", "-m", "jupyterlab", "--no-browser", "--ip=0.0.0.0", "--port=8888", "--ServerApp.port_retries=0", \
     "--ServerApp.root_dir=/home/reader/notebooks", "--LabApp.default_url=/lab/tree/index.ipynb", "--LabApp.news_url=None"]
