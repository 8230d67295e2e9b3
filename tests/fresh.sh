#!/usr/bin/env bash
# Runs the README's two commands on a new machine: Debian's minbase with gcc, ca-certificates and this toolchain.
#
#   tests/fresh.sh                   a run for each condition below
#   tests/fresh.sh user no-route     one run, under these conditions at once
#   tests/fresh.sh --built user      one run, with all that this folder's `target` has compiled
#
# Conditions: root (no other), user, no-ipv6, no-route, no-home (HOME and LANG unset), elsewhere (TMPDIR),
# read-only (the checkout, with CARGO_TARGET_DIR elsewhere). Needs root, debootstrap, and a mirror of Debian.
set -euo pipefail

main() {
    local mode=new
    if [ "${1:-}" = --built ]; then mode=built; shift; fi
    for program in debootstrap unshare cargo rustc git; do
        command -v $program >/dev/null || skip "$program"
    done
    [ "$(id -u)" = 0 ] || skip "root"
    cd "$(dirname "$0")/.."
    # At the same path inside: cargo would compile again what is elsewhere.
    crates=$(realpath "${CARGO_HOME:-$HOME/.cargo}")
    root=$(mktemp -d /tmp/fresh.XXXXXX)
    # Because nothing is mounted outside the namespace below, no file of this machine can be removed.
    trap 'rm -rf --one-file-system "$root"' EXIT
    install_system
    # Mounts and processes end with the namespaces. A signal that the caller ignores would be ignored in every test.
    export -f inside mount_all in_new_folder in_this_folder run read_only
    export root mode crates NO_IPV6
    unshare --mount --pid --fork --kill-child --mount-proc env --default-signal bash -euo pipefail -c 'inside "$@"' bash "$@"
}

skip() {
    echo "SKIPPED for want of $1: tests/fresh.sh" >&2
    exit 77
}

install_system() {
    local suite
    suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
    debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates "$suite" "$root/system" >"$root/log" 2>&1 ||
        { tail -20 "$root/log" >&2; exit 1; }
    cargo fetch --locked --quiet
    # Users other than root must reach it.
    chmod 755 "$root"
    chmod 1777 "$root/system/tmp"
    mkdir -p "$root"/{changes,work} "$root"/system/{rust,home,var/target} "$root/system$crates/registry"
    # It may be in the home of root.
    chmod 755 "$root/system/root"
    mkdir -m 1777 "$root/system/var/elsewhere"
}

inside() {
    local failed=0
    mount_all
    if [ $# -gt 0 ]; then
        run "$@"
    else
        for condition in root user no-ipv6 no-route no-home elsewhere read-only; do run "$condition"; done
    fi
    exit $failed
}

mount_all() {
    bind() { mount --bind "$1" "$2" && mount -o remount,bind,ro "$2"; }
    bind "$(rustc --print sysroot)" "$root/system/rust"
    bind "$crates/registry" "$root/system$crates/registry"
    mount --rbind /dev "$root/system/dev"
    mount -t proc proc "$root/system/proc"
    mount -t sysfs sysfs "$root/system/sys"
    if [ $mode = built ]; then in_this_folder; else in_new_folder; fi
}

in_new_folder() {
    folder=/loopctl build=()
    mkdir "$root/system$folder"
    git ls-files -z | xargs -0 cp --parents -t "$root/system$folder"
}

# A layer over this folder takes all that is written.
in_this_folder() {
    folder=$PWD
    # Cargo would compile again with other flags.
    mapfile -t build < <(env | grep -E '^(RUSTFLAGS|CARGO_PROFILE_|CARGO_INCREMENTAL|RUST_TEST_)' || true)
    mkdir -p "$root/system$folder"
    mount -t overlay overlay -o "lowerdir=$folder,upperdir=$root/changes,workdir=$root/work" "$root/system$folder"
}

# Both commands under conditions; one line with the result, and one with the sum of the skipped tests.
run() {
    local user=0 network=() change=(HOME=/home LANG=C.UTF-8) log=$root/log result=ok seconds=$SECONDS
    for condition; do
        case $condition in
            root) ;;
            user) user=1000 ;;
            no-ipv6) network=(unshare --net bash -c "$NO_IPV6" bash) ;;
            no-route) network=(unshare --net bash -c 'ip link set lo up; exec "$@"' bash) ;;
            no-home) change=("${change[@]:2}") ;;
            elsewhere) change+=(TMPDIR=/var/elsewhere) ;;
            read-only) change+=(CARGO_TARGET_DIR=/var/target) && read_only ;;
            *) echo "no condition \`$condition\`" >&2; exit 2 ;;
        esac
    done
    # Of files, those that cargo opens to write; it replaces the others.
    find "$root/system$folder" "$root"/system/{home,var/target} \( -type d -o -name '.cargo*' -o -name '*.d' -o -path '*/.fingerprint/*' \) -exec chown $user:$user {} + || true
    for command in "cargo run --release -- demo" "cargo test"; do
        echo "== $* : $command"
        "${network[@]}" chroot --userspec=$user:$user "$root/system" env -i PATH=/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            CARGO_HOME="$crates" CARGO_NET_OFFLINE=true CARGO_TERM_COLOR=never "${change[@]}" \
            "${build[@]}" sh -c "cd $folder && $command" >"$log" 2>&1 || { result=FAILED failed=1; grep -vE '^test .* ok$' "$log"; }
        awk '/^test result: / { passed += $4; failed += $6 } END { if (passed + failed) print passed " passed, " failed " failed" }' "$log"
    done
    echo "$result: $* ($((SECONDS - seconds)) s): $(grep -E '^[0-9]+ tests? skipped' "$log" || echo 'no sum of skipped tests')"
    if [ "${is_read_only:-}" ]; then umount "$root/system$folder"; is_read_only=; fi
}

# A default route for IPv4, as on most machines, and no address of IPv6.
NO_IPV6='
ip link set lo up
ip link add d0 type dummy
ip address add 192.0.2.2/24 dev d0
ip link set d0 up
ip route add default via 192.0.2.1
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
exec "$@"'

# Because paths of the target folder are compiled in, this package is compiled once more; its dependencies are not.
read_only() {
    local checkout=$root/system$folder
    if [ -d "$checkout/target" ]; then
        rm -rf "$root/system/var/target"
        cp -a "$checkout/target" "$root/system/var/target"
        rm -rf "$root"/system/var/target/*/.fingerprint/loopctl-*
    fi
    mount --bind "$checkout" "$checkout"
    mount -o remount,bind,ro "$checkout"
    is_read_only=yes
}

main "$@"
