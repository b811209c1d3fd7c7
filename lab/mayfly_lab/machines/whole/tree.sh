#!/usr/bin/env bash
# Makes TARGET, the tree of a Debian machine. Arguments: SUITE MIRROR TARGET PACKAGE...
# Runs in a mount and a process namespace of its own (commands.py): no mount and no process outlives it.
set -Eeuo pipefail
suite=$1 mirror=$2 target=$3
shift 3

# apt has its own settings for proxies; debootstrap downloads by wget, which reads the environment.
for scheme in http https; do
  proxy=
  eval "$(apt-config shell proxy "Acquire::$scheme::Proxy")"
  [[ -z $proxy || $proxy == DIRECT ]] || export "${scheme}_proxy=$proxy"
done
# One sync at the end instead of one for each file: a tree that is not complete is thrown away.
export DPKG_FORCE=unsafe-io
debootstrap --variant=minbase "$suite" "$target" "$mirror"

# The way to the mirror, for the time of the build: names, proxies, certificates, passwords.
outside=(etc/apt/apt.conf.d/00outside)
apt-config dump Acquire >"$target/${outside[0]}"
for each in /etc/apt/auth.conf /etc/apt/auth.conf.d/*; do
  [[ -f $each ]] || continue
  cp --parents "$each" "$target/"
  outside+=("${each#/}")
done
cp --remove-destination /etc/resolv.conf /etc/hosts "$target/etc/"
mkdir -p "$target/etc/ssl/certs" # apt finds the authorities of an https mirror here before ca-certificates is installed.
[[ ! -f /etc/ssl/certs/ca-certificates.crt ]] || cp -L /etc/ssl/certs/ca-certificates.crt "$target/etc/ssl/certs/"

# No package starts its service in the chroot (invoke-rc.d(8)).
printf '#!/bin/sh\nexit 101\n' >"$target/usr/sbin/policy-rc.d"
chmod +x "$target/usr/sbin/policy-rc.d"
inside() {
  chroot "$target" env DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
inside apt-get update --quiet
# All packages at once: systemd-resolved takes /etc/resolv.conf away. debootstrap --include would leave cloud-init without
# its virtual dependencies.
inside apt-get install --yes --quiet --no-install-recommends "$@" "linux-image-cloud-$(dpkg --print-architecture)"
# A job runs its containers without Podman's services, which would start with each machine.
shopt -s nullglob
units=("$target"/usr/lib/systemd/system/{podman,netavark}*)
inside systemctl disable --quiet "${units[@]##*/}"
inside apt-get clean

rm -f "$target/usr/sbin/policy-rc.d" "$target/etc/hostname" "${outside[@]/#/$target/}"
rm -rf "$target"/var/lib/apt/lists/*
# The machine makes its identity when it boots first (machine-id(5)).
: >"$target/etc/machine-id"
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$target/etc/hosts"
ln -sf ../run/systemd/resolve/stub-resolv.conf "$target/etc/resolv.conf"
sync --file-system "$target"
