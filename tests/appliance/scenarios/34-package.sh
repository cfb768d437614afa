# The package: installed it labels at once, an upgrade keeps what was edited, and after a purge nothing is left.
# deadline: 420

[[ -e $share/glimpsed.deb ]] || skip "no package (--deb FILE)"
subscribe
plug_in

remove_service
# What the scenarios without a package run.
rm --force /opt/glimpsed

# An older package: another version, and another configuration as it comes.
dpkg-deb --raw-extract "$share/glimpsed.deb" "$work/older"
sed --in-place 's/^Version: .*/Version: 0.0.1-1/' "$work/older/DEBIAN/control"
echo '# An older configuration.' >>"$work/older/etc/glimpsed/glimpsed.toml"
(cd "$work/older" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | xargs -0 md5sum >DEBIAN/md5sums)
dpkg-deb -Znone --build "$work/older" "$work/older.deb" >/dev/null
rm -rf "$work/older"

apt() { DEBIAN_FRONTEND=noninteractive apt-get --yes --option Dpkg::Options::=--force-confold "$@" >>"$work/apt.log" 2>&1; }
says_labelling() {
    exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3 && grep --quiet '"labelling"' <&3
}

says_its_name() {
    exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /api/v1/info HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3 && grep --quiet 'From conf.d' <&3
}

apt install "$work/older.deb" || fail "cannot be installed"
trap show_journal EXIT
is ActiveState active || fail "is $(service_state ActiveState) after it was installed"
systemctl is-enabled --quiet glimpsed || fail "does not start with the next boot"
# The bundled model takes seconds a picture under emulation.
wait_until 90 "labels nothing as it comes" says_labelling

# A file of its own beside the configuration, which the running service notices.
[[ -f /etc/glimpsed/conf.d/README ]] || fail "has no conf.d"
echo 'device.name = "From conf.d"' >/etc/glimpsed/conf.d/90-device.toml
wait_until 30 "does not notice a new file in conf.d" says_its_name

write_config
configure_service
wait_for_label 90 bars
pid=$(main_pid)
cp --preserve=all /etc/glimpsed/glimpsed.toml "$work/edited.toml"

apt install "$share/glimpsed.deb" || fail "cannot be upgraded"
cmp "$work/edited.toml" /etc/glimpsed/glimpsed.toml || fail "the upgrade has changed the edited configuration"
[[ -f /etc/glimpsed/conf.d/90-device.toml ]] || fail "the upgrade has removed a file of conf.d"
another_pid_than "$pid" || fail "the old program still runs after the upgrade"
wait_for_fresh_label 30

apt remove glimpsed || fail "cannot be removed"
pgrep --exact glimpsed && fail "still runs after it was removed"
cmp "$work/edited.toml" /etc/glimpsed/glimpsed.toml || fail "what was edited went with the package"
[[ -f /etc/glimpsed/conf.d/90-device.toml ]] || fail "a file of conf.d went with the package"
[[ ! -e /usr/bin/glimpsed ]] || fail "the program is left"

apt purge glimpsed || fail "cannot be purged"
left=$(find / -xdev \( -path "$work" -o -path /var/lib/systemd/catalog -o -path /var/log -o -path /var/cache \) -prune -o -name '*glimpsed*' -print)
[[ -z $left ]] || fail "is left after a purge: $left"
! getent passwd glimpsed || fail "the user is left after a purge"
