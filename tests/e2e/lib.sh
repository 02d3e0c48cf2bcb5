# shellcheck shell=bash
# Shared by the scripts of this folder: versions, paths, messages. Sourced, not run.

# The versions everything is built from. Each can be overridden by the variable of the same name.
VERSION_GIVEN=${KUBERNETES_VERSION:+1}
KUBERNETES_VERSION=${KUBERNETES_VERSION:-v1.37.2}
ETCD_VERSION=${ETCD_VERSION:-v3.7.3}
HELM_VERSION=${HELM_VERSION:-v4.3.1}
HELM3_VERSION=${HELM3_VERSION:-v3.22.0}
KUSTOMIZE_VERSION=${KUSTOMIZE_VERSION:-v5.8.2}

# Built binaries and images are kept here, outside the repository.
CACHE=${GOMEMLIMIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gomemlimit}
# State of running clusters: one folder per cluster.
STATE=${GOMEMLIMIT_CLUSTERS:-${TMPDIR:-/tmp}/gomemlimit-clusters}

CLUSTER_SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(cd "$CLUSTER_SCRIPTS/../.." && pwd)

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { warn "$*"; exit 1; }
# usage_error TEXT: a mistake on the command line.
usage_error() { warn "$*"; warn "try --help"; exit 2; }
# help_text: the header comment of the script that runs.
help_text() { awk 'NR == 1 { next } !/^#/ { exit } { sub(/^# ?/, ""); print }' "$0"; }
need_root() { [ "$(id -u)" = 0 ] || die "needs root"; }

# target_folder: where cargo puts what it builds.
target_folder() { cargo metadata --format-version 1 --no-deps --offline | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'; }
# build_static PROFILE FLAGS PACKAGE...: builds their programs as the image has ours, static and without the commands for
# people, with more flags for the compiler, and prints the folder they are in.
build_static() {
	local profile=$1 flags=$2 package triple
	shift 2
	triple=$(rustc -vV | sed -n 's/^host: //p')
	for package; do
		RUSTFLAGS="-C target-feature=+crt-static $flags" cargo build --locked --profile "$profile" \
			--package "$package" --bins --no-default-features --target "$triple" >&2 || return
	done
	printf '%s\n' "$(target_folder)/$triple/$profile"
}
# Packs relative relocations, as the image's program has them.
# shellcheck disable=SC2034
PACKED="-C link-arg=-Wl,-z,pack-relative-relocs"

# need COMMAND=PACKAGE...: installs the Debian packages whose command is missing.
# A COMMAND with a slash is a file. No service is started by it.
need() {
	local pair command missing=()
	for pair in "$@"; do
		command=${pair%%=*}
		case $command in
		*/*) [ -e "$command" ] || missing+=("${pair#*=}") ;;
		*) command -v "$command" >/dev/null || missing+=("${pair#*=}") ;;
		esac
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null || die "please install: ${missing[*]}"
	need_root
	say "installing Debian packages: ${missing[*]}"
	# Debian starts a service when its package is installed, unless this file says no.
	local policy=/usr/sbin/policy-rc.d made= result=0
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod 755 $policy
		made=1
	fi
	{
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" ||
			{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; }
	} >"${TMPDIR:-/tmp}/apt.$$.log" 2>&1 || result=$?
	[ -z "$made" ] || rm -f $policy
	if [ $result != 0 ]; then
		tail -n 20 "${TMPDIR:-/tmp}/apt.$$.log" >&2
		rm -f "${TMPDIR:-/tmp}/apt.$$.log"
		die "apt-get install failed: ${missing[*]}"
	fi
	rm -f "${TMPDIR:-/tmp}/apt.$$.log"
}

# What a node needs from Debian. The command that shows it is there, and the package that brings it.
NODE_PACKAGES=(
	containerd=containerd ctr=containerd runc=runc iptables=iptables conntrack=conntrack socat=socat
	ethtool=ethtool ip=iproute2 nsenter=util-linux openssl=openssl mount=mount
)
