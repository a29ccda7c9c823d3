# The image of a host for those who have a registry, or no mmdebstrap; docs/fleet.md says under which
# name the fleet looks for it. It is not the same bytes each time it is made, which mmdebstrap's is.
ARG BASE=debian:bookworm-slim
FROM $BASE
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      clickhouse-server \
      iproute2 \
      libcap2-bin \
      openssh-client \
      openssh-server \
      python3 \
      rclone \
      sudo \
      tzdata \
 && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_* \
 && : >/etc/machine-id
