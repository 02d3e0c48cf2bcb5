# The image of gomemlimit: one static program, no shell, no libraries.
#
#   docker build --tag gomemlimit:0.1.0 .
#
# tests/e2e/image builds it with buildah where no registry can be reached.

# A Debian with Rust and a C compiler; the version is the one of rust-toolchain.toml. The digest is of all architectures.
ARG BUILDER_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082
ARG RUNTIME_IMAGE=scratch

FROM ${BUILDER_IMAGE} AS build
# The program carries the list of its dependencies: `cargo audit bin`, and scanners of images, read it.
ARG CARGO_AUDITABLE_VERSION=0.7.7
RUN command -v cargo-auditable || cargo install --locked cargo-auditable --version "$CARGO_AUDITABLE_VERSION" --root /usr/local
WORKDIR /src
COPY . .
ARG CARGO_PROFILE=release
ARG CARGO_FEATURES=
# OWNER/NAME on GitHub, and the commit, for addresses and `gomemlimit version`.
ARG GOMEMLIMIT_REPOSITORY=
ARG GOMEMLIMIT_COMMIT=
RUN CARGO_TARGET_DIR=/target deploy/release/build --profile "$CARGO_PROFILE" --features "$CARGO_FEATURES" /gomemlimit

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="gomemlimit" \
      org.opencontainers.image.description="Kubernetes mutating admission webhook that gives Go containers the GOMEMLIMIT their memory limit calls for" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /gomemlimit /gomemlimit
USER 65532:65532
EXPOSE 8443 8081
ENTRYPOINT ["/gomemlimit"]
# `docker run -p 8443:8443` reaches it; on 127.0.0.1, the default outside of an image, nobody would.
CMD ["serve", "--listen", ":8443", "--admin-listen", ":8081"]
