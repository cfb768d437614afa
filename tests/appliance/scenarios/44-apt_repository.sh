# docs/fleet-upgrades.md is followed, command by command: a device takes the new version from the repository and keeps what was
# edited, by hand and by itself; one that is broken is noticed, and rolled back.
# deadline: 900

[[ -d $share/repository ]] || skip "no repository (--deb FILE, and aptly on the host)"
readonly page=$share/docs/fleet-upgrades.md
new=$(dpkg-deb --field "$share/glimpsed.deb" Version)

# section HEADING: what is below the heading, up to the next.
section() { awk -v heading="## $1" '/^## / { inside = ($0 == heading) } inside' "$page"; }
# named HEADING PATTERN: the one indented line of the section that it is about.
named() {
    local found
    found=$(section "$1" | sed --quiet 's/^    //p' | grep --extended-regexp "$2") && [[ $found != *$'\n'* ]] ||
        fail "the document has not one command with '$2' below '$1': ${found:-none}"
    printf '%s\n' "$found"
}
# fenced HEADING: its first block.
fenced() { section "$1" | awk '/^```$/ { if (on) exit } on; $0 == "```text" { on = 1 }'; }
# follow COMMAND: as somebody types it; the one who types is root here.
follow() {
    note "\$ $1"
    (cd "$work" && DEBIAN_FRONTEND=noninteractive bash -e -o pipefail -c 'sudo() { env "$@"; }; eval "$1"' - "$1") >>"$work/followed.log" 2>&1 </dev/null
}
serves() { ln --symbolic --force --no-dereference "$share/repository/$1" /srv/apt; }
has_version() { [[ $(dpkg-query --show --showformat='${Version}' glimpsed) == "$1" ]] || fail "has $(dpkg-query --show glimpsed), not $1"; }
keeps_what_was_edited() { cmp "$work/edited.toml" /etc/glimpsed/glimpsed.toml || fail "the edited configuration has changed"; }
labels_again() {
    local began
    began=$(uptime_ms)
    wait_for_fresh_label 10
    figure "labels again $(($(uptime_ms) - began)) ms after $1"
}
put_back() {
    show_journal
    rm --force /etc/apt/sources.list.d/glimpsed.list /etc/apt/apt.conf.d/52glimpsed /usr/share/keyrings/glimpsed.gpg
    apt-mark unhold glimpsed >/dev/null 2>&1 || true
}
trap put_back EXIT

remove_service
rm --force /opt/glimpsed
subscribe
plug_in
# There is no network, so only our own repository can be asked.
: >/etc/apt/sources.list
rm --force /etc/apt/sources.list.d/*

serves 1
cp "$share/repository/1/glimpsed.gpg" "$work/"
follow "$(named "The devices" keyrings/glimpsed.gpg\$)" || fail "the key cannot be installed"
add=$(named "The devices" 'sources.list.d')
[[ $add == *https://apt.example.org/* ]] || fail "the document names another repository"
follow "${add/https:\/\/apt.example.org/file:/srv/apt}" || fail "the repository cannot be added"
follow "$(named "The devices" 'apt update$')" || fail "the repository is refused: $(tail --lines=3 "$work/followed.log")"
follow "$(named "The devices" 'apt install')" || fail "cannot be installed: $(tail --lines=3 "$work/followed.log")"
has_version 0.0.1-1
fenced "The devices" >/etc/apt/apt.conf.d/52glimpsed

# The bundled model takes seconds a picture under emulation, which the package's own scenario looks at.
systemctl stop glimpsed
write_config
configure_service
systemctl start glimpsed
wait_for_label 90 bars
cp --preserve=all /etc/glimpsed/glimpsed.toml "$work/edited.toml"

# A signature of nobody is refused, and so is a package that was changed.
cp --recursive "$share/repository/2" "$work/forged"
chmod --recursive u+w "$work/forged"
sed --in-place 's/^Origin: .*/Origin: forged/' "$work/forged/dists/stable/InRelease"
ln --symbolic --force --no-dereference "$work/forged" /srv/apt
! follow 'apt-get update -o APT::Update::Error-Mode=any' || fail "a forged repository is accepted"
rm --recursive "$work/forged"

# By hand.
serves 2
pid=$(main_pid)
upgrade=$(named "Upgrade by hand" 'apt upgrade')
follow "$upgrade" || fail "cannot be upgraded: $(tail --lines=3 "$work/followed.log")"
labels_again "apt upgrade"
has_version "$new"
another_pid_than "$pid" || fail "the old program still runs"
keeps_what_was_edited

# By itself, from the older version again.
back=$(named "A version that does not work" 'allow-downgrades')
[[ $back == *glimpsed=0.1.0-1 ]] || fail "the document goes back to another version"
follow "${back/0.1.0-1/0.0.1-1}" || fail "there is no way back: $(tail --lines=3 "$work/followed.log")"
has_version 0.0.1-1
wait_for_fresh_label 30
fenced "Upgrade by itself" >>/etc/apt/apt.conf.d/52glimpsed
dry=$(named "Upgrade by itself" 'dry-run')
follow "$dry" || fail "the dry run fails: $(tail --lines=3 "$work/followed.log")"
has_version 0.0.1-1
follow "${dry/ --dry-run/}" || fail "unattended upgrades fail: $(tail --lines=3 "$work/followed.log")"
labels_again "unattended-upgrade"
has_version "$new"
keeps_what_was_edited

# A broken one.
serves 3
follow "$upgrade" || note "apt itself complains of the broken version"
has_version 9.9.9-1
wait_for 10 "$topic/status offline"
follow "$(named "A version that does not work" mosquitto_sub)" || [[ $? == 27 ]] || fail "the broker cannot be asked"
grep --quiet "^$topic offline\$\|^$topic/status offline\$" "$work/followed.log" || fail "the document's subscriber does not show the device offline"
! follow "$(named "A version that does not work" is-active)" || fail "the broken version is active"
follow "$(named "A version that does not work" journalctl)"
grep --quiet no-such-program "$work/followed.log" || fail "the journal does not say why"
follow "${back/0.1.0-1/$new}" || fail "there is no way back from the broken version: $(tail --lines=3 "$work/followed.log")"
labels_again "the rollback"
has_version "$new"
keeps_what_was_edited
follow "$(named "A version that does not work" 'apt-mark hold')"
follow "$upgrade"
has_version "$new"
note "a hold keeps it"
remove_service
