# shellcheck shell=bash
# What up, down, component, pid and image know about a cluster. Sourced after lib.sh.
#
# A cluster is a folder (--dir). Its file `cluster` holds what was made outside the folder:
# written first by `up`, so that `down` always knows what to remove.
#   run/NAME.sh, run/NAME.pid   start command and process of each component
#   log/NAME.log                its output
#   ns/mnt                      mount namespace of containerd, kubelet and kube-proxy

# In the order they are started.
COMPONENTS=(etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy)
PAUSE_IMAGE=gomemlimit.invalid/pause:1

# cluster_dir NAME DIR: the folder that is meant; both may be empty.
cluster_dir() {
	if [ -n "$2" ]; then
		readlink -m -- "$2"
	elif [ -n "$1" ]; then
		readlink -m -- "$STATE/$1"
	else
		readlink -m -- "${CLUSTER_DIR:-$STATE/gomemlimit}"
	fi
}

# load_cluster: reads $dir/cluster.
load_cluster() {
	[ -f "$dir/cluster" ] || die "no cluster in $dir: see tests/e2e/up"
	# shellcheck source=/dev/null
	. "$dir/cluster"
}

# lock DESCRIPTOR FILE SECONDS: holds FILE until this script ends. Another holder may remove the file.
lock() {
	while :; do
		mkdir -p "$(dirname "$2")"
		eval "exec $1>\"\$2\""
		flock -w "$3" "$1" || return 1
		[ ! "$2" -ef "/proc/self/fd/$1" ] || return 0
	done
}

# start_time PID: when the process was started, in ticks since boot; nothing if there is none.
start_time() {
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	stat=${stat##*) } # the name before it may hold spaces
	# shellcheck disable=SC2086
	set -- $stat
	[ "$1" = Z ] || printf '%s\n' "${20}"
}

# component_pid NAME: its process id, if that process is still the one that was started.
component_pid() {
	local pid started boot
	{ read -r pid started boot <"$dir/run/$1.pid"; } 2>/dev/null || return 0
	[ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] || return 0
	[ "$(start_time "$pid")" = "$started" ] || return 0
	printf '%s\n' "$pid"
}

# start_component NAME
start_component() {
	local pid
	[ -z "$(component_pid "$1")" ] || return 0
	[ -f "$dir/run/$1.sh" ] || die "no component $1 in $dir"
	# Locks of this script are not for the component to keep.
	setsid bash "$dir/run/$1.sh" </dev/null >>"$dir/log/$1.log" 2>&1 8>&- 9>&- &
	pid=$!
	printf '%s %s %s\n' "$pid" "$(start_time "$pid")" "$(cat /proc/sys/kernel/random/boot_id)" >"$dir/run/$1.pid"
}

# stop_component NAME [SECONDS]: SIGTERM, and SIGKILL if it is still there after SECONDS.
stop_component() {
	local pid i
	pid=$(component_pid "$1")
	if [ -n "$pid" ]; then
		kill "$pid" 2>/dev/null || true
		for ((i = 0; i < ${2:-10} * 10; i++)); do
			[ -n "$(component_pid "$1")" ] || break
			sleep 0.1
		done
		[ -z "$(component_pid "$1")" ] || kill -KILL "$pid" 2>/dev/null || true
		while [ -n "$(component_pid "$1")" ]; do sleep 0.05; done
	fi
	rm -f "$dir/run/$1.pid"
}

# ctr of this cluster.
cluster_ctr() { ctr --address "$dir/containerd.sock" --namespace k8s.io "$@"; }

# kubectl of this cluster, as its administrator.
cluster_kubectl() { "$BIN/kubectl" --kubeconfig "$dir/kubeconfig" "$@"; }

# cgroup_folders: the folders of this cluster's cgroup, one for each hierarchy.
cgroup_folders() {
	local type target rest
	while read -r _ target type rest; do
		case $type in cgroup | cgroup2) [ ! -d "$target/$CGROUP" ] || printf '%s\n' "$target/$CGROUP" ;; esac
	done </proc/self/mounts
}

# image_archive BINARY NAME FILE [ENTRYPOINT]: writes an OCI archive with nothing but that program in it.
image_archive() {
	local work layer config manifest size
	work=$(mktemp -d)
	mkdir -p "$work/root" "$work/oci/blobs/sha256"
	local entrypoint=${4:-/${1##*/}}
	install -m 755 "$1" "$work/root/${entrypoint#/}"
	tar -C "$work/root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/layer" "${entrypoint#/}"
	layer=$(blob "$work/layer")
	printf '{"architecture":"%s","os":"linux","config":{"User":"65532:65532","Entrypoint":["%s"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
		"$(dpkg --print-architecture)" "$entrypoint" "$layer" >"$work/config"
	size=$(stat -c %s "$work/config")
	config=$(blob "$work/config")
	printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%s}]}' \
		"$config" "$size" "$layer" "$(stat -c %s "$work/oci/blobs/sha256/$layer")" >"$work/manifest"
	size=$(stat -c %s "$work/manifest")
	manifest=$(blob "$work/manifest")
	printf '{"imageLayoutVersion":"1.0.0"}' >"$work/oci/oci-layout"
	printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"annotations":{"io.containerd.image.name":"%s","org.opencontainers.image.ref.name":"%s"}}]}' \
		"$manifest" "$size" "$(full_name "$2")" "$(full_name "$2")" >"$work/oci/index.json"
	tar -C "$work/oci" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$3" .
	rm -rf "$work"
}

# go_image FOLDER NAME [OPTION...]: builds the Go program of FOLDER, as an image whose entrypoint has the folder's name;
# with options of tests/e2e/image.
go_image() {
	local work program
	program=$(basename "$1")
	work=$(mktemp -d)
	(cd "$1" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$work/$program" .) &&
		"$CLUSTER_SCRIPTS/image" --binary "$work/$program" --tag "$2" "${@:3}"
	rm -r "$work"
}

# blob FILE: moves it among the blobs of the archive that is being made; prints its digest.
blob() {
	local digest
	digest=$(sha256sum "$1")
	digest=${digest%% *}
	mv "$1" "$(dirname "$1")/oci/blobs/sha256/$digest"
	printf '%s\n' "$digest"
}

# full_name IMAGE: as containerd stores it, with registry, folder and tag.
full_name() {
	local name=$1
	[[ ${name##*/} == *:* ]] || name+=:latest
	case $name in
	localhost/*) ;;
	*/*) [[ ${name%%/*} == *[.:]* ]] || name=docker.io/$name ;;
	*) name=docker.io/library/$name ;;
	esac
	printf '%s\n' "$name"
}
