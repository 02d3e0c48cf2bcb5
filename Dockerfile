# The image of gomemlimit: one static program, no shell, no libraries.
#
#   docker build --tag gomemlimit:0.1.0 .
#
# tests/cluster/image builds it with buildah where no registry can be reached.

# A Debian with Rust and a C compiler; the version is the one of rust-toolchain.toml.
ARG BUILDER_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm
ARG RUNTIME_IMAGE=scratch

FROM ${BUILDER_IMAGE} AS build
WORKDIR /src
COPY . .
ARG CARGO_PROFILE=release
ARG CARGO_FEATURES=
# The same source and builder give the same bytes: no path of the build stays in the program.
# Without the default features: `diagnose` is for people, who run it from their own machines.
# Relative relocations are packed (DT_RELR, glibc 2.36): half a megabyte of them becomes a few KB.
# With --target the flags are for the program only, not for what runs during the build.
RUN set -eu; \
    target=$(rustc -vV | sed -n 's/^host: //p'); \
    export CARGO_TARGET_DIR=/target \
        RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs --remap-path-prefix=${CARGO_HOME:-/usr/local/cargo}=/cargo --remap-path-prefix=/src=/gomemlimit --remap-path-prefix=/target=/target" \
        CFLAGS="-ffile-prefix-map=${CARGO_HOME:-/usr/local/cargo}=/cargo"; \
    cargo build --locked --package gomemlimit --bin gomemlimit --target "$target" \
        --profile "$CARGO_PROFILE" --no-default-features --features "$CARGO_FEATURES"; \
    folder=$CARGO_PROFILE; [ "$folder" != dev ] || folder=debug; \
    install -m 755 "/target/$target/$folder/gomemlimit" /gomemlimit

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="gomemlimit" \
      org.opencontainers.image.description="Kubernetes mutating admission webhook that gives Go containers the GOMEMLIMIT their memory limit calls for" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /gomemlimit /gomemlimit
USER 65532:65532
ENTRYPOINT ["/gomemlimit"]
CMD ["serve"]
