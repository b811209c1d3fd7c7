#!/usr/bin/env bash
# Makes a disk with OVERLAY laid over TREE, and beside it the tree's kernel. Arguments: TREE OVERLAY TARGET
# Writes TARGET/disk.ext4, TARGET/vmlinuz, TARGET/initrd.img. Runs in a mount namespace of its own (commands.py).
set -Eeuo pipefail
tree=$1 overlay=$2 target=$3

# The layer is thrown away after mkfs has read it. Names are relative, because mount splits options at commas and colons.
mkdir "$target/layer"
mount -t tmpfs -o mode=755 tmpfs "$target/layer"
cd "$target/layer"
mkdir lower upper work root
mount --bind "$tree" lower
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay root
tar --create --directory "$overlay" --owner=0 --group=0 . | tar --extract --directory root --preserve-permissions --no-overwrite-dir
printf '/dev/vda / ext4 defaults 0 1\n' >root/etc/fstab

newest() {
  printf '%s\n' "$@" | sort --version-sort | tail -n 1
}
cp "$(newest root/boot/vmlinuz-*)" "$target/vmlinuz"
cp "$(newest root/boot/initrd.img-*)" "$target/initrd.img"
# Sparse: room for jobs costs nothing until a machine writes. The kernel zeroes the lazy parts when it needs them.
truncate --size 4G "$target/disk.ext4"
mkfs.ext4 -q -F -E lazy_itable_init=1,lazy_journal_init=1 -d root "$target/disk.ext4"

cd /
umount "$target/layer/root" "$target/layer/lower" "$target/layer"
rmdir "$target/layer"
