# shellcheck shell=bash
# Makes the local builder image $builder: Debian with a C compiler, this machine's Rust, and cargo-auditable.
# Sourced by image, where no registry with the usual builder image can be reached.

need debootstrap=debootstrap
sysroot=$(cd "$REPOSITORY" && rustc --print sysroot)
[ "$sysroot" != /usr ] || die "needs a Rust toolchain of rustup, or --pull"
# The mirror and proxy that apt uses here.
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Codename: $(. /etc/os-release && printf '%s' "$VERSION_CODENAME")" | head -n 1)
[ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
[ -n "$mirror" ] || die "apt knows no package lists: run apt-get update"
proxy=$(apt-config shell proxy Acquire::http::Proxy) && eval "$proxy"

say "making the builder image $builder"
seconds=$SECONDS
http_proxy=${proxy:-${http_proxy:-}} debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates \
	"$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")" "$work/builder" "$mirror" >"$work/debootstrap.log" 2>&1 ||
	{ tail -n 20 "$work/debootstrap.log" >&2; die "debootstrap failed"; }
rm -rf "$work"/builder/var/cache/apt/* "$work"/builder/var/lib/apt/lists/*
mkdir -p "$work/builder/usr/local/bin" "$work/builder/usr/local/cargo" "$work/builder/src"
cp -a "$sysroot"/bin/{cargo,rustc} "$work/builder/usr/local/bin/"
cp -a "$sysroot/lib" "$work/builder/usr/local/"
(cd "$work" && cargo install --locked --quiet cargo-auditable --version "$auditable" --root "$work/builder/usr/local")
container=$("${storage[@]}" from scratch)
"${storage[@]}" add --quiet "$container" "$work/builder" / >/dev/null
"${storage[@]}" config --env CARGO_HOME=/usr/local/cargo --env PATH=/usr/local/bin:/usr/bin:/bin "$container"
"${storage[@]}" commit --quiet --rm --disable-compression "$container" "$builder" >/dev/null
rm -rf "$work/builder"
say "made in $((SECONDS - seconds)) s"
