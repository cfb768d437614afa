# A full disk and a root file system that became read-only stop neither the running service nor its next start.
# deadline: 180

subscribe
plug_in
install_service
start_service
wait_for_label 15 bars
pid=$(main_pid)

trap 'rm -f /fill; mount -o remount,rw / || true; show_journal' EXIT
fallocate --length "$(($(stat --file-system --format='%f * %S' /)))" /fill 2>/dev/null || true
dd if=/dev/zero bs=4K of=/fill oflag=append conv=notrunc status=none 2>/dev/null || true
! (echo full >/var/tmp/probe && sync) 2>/dev/null || fail "the disk is not full"
wait_for_fresh_label 5
another_pid_than "$pid" && fail "ended when the disk was full"
systemctl restart glimpsed || fail "does not start with a full disk"
wait_for_fresh_label 15
rm -f /fill /var/tmp/probe

echo u >/proc/sysrq-trigger
read_only() { ! touch /var/tmp/probe; }
wait_until 10 "the root file system is still writable" read_only
pid=$(main_pid)
wait_for_fresh_label 5
another_pid_than "$pid" && fail "ended when the root became read-only"
systemctl restart glimpsed || fail "does not start on a read-only root"
wait_for_fresh_label 15
