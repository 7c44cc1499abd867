# syncqc with the versions of constraints.txt and the CPU build of PyTorch.
# For a GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 (or what your driver needs), and run with --gpus all.
#
#   docker build -t syncqc .
#   docker run --rm -v "$PWD/videos:/videos:ro" -v "$PWD/out:/out" --user "$(id -u):$(id -g)" syncqc score /videos --out /out/manifest.parquet
FROM python:3.11-slim-bookworm

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# What the wheel of opencv-python takes from the system. PyAV and imageio-ffmpeg bring their own FFmpeg.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 syncqc

WORKDIR /opt/syncqc
COPY constraints.txt ./
# First what seldom changes. Of two builds of one version pip takes the one with a local label (+cpu, +cu130), which is that of its own index.
RUN torch_version="$(sed -n 's/^torch==//p' constraints.txt)" \
    && pip install --no-cache-dir --constraint constraints.txt --extra-index-url "$TORCH_INDEX" "torch==${torch_version}"

COPY pyproject.toml README.md LICENSE ./
COPY models models
COPY pipelines pipelines
COPY syncqc syncqc
RUN pip install --no-cache-dir --constraint constraints.txt . \
    && syncqc --version

USER 1000
WORKDIR /home/syncqc
# With --user the user may be a bare number, without a home for caches and without a name for libraries that ask for one.
ENV HOME=/tmp USER=syncqc
ENTRYPOINT ["syncqc"]
CMD ["--help"]
