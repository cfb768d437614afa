# What docs/first-label.md and docs/install-raspberry-pi.md tell to do is done, command by command as it stands there: the package
# labels, and what is subscribed to arrives.
# deadline: 600

[[ -e $share/glimpsed.deb ]] || skip "no package (--deb FILE)"
readonly first=$share/docs/first-label.md guide=$share/docs/install-raspberry-pi.md

# section FILE HEADING: what is below the heading, up to the next.
section() { awk -v heading="$2" '/^## / { inside = index($0, heading) } inside' "$1"; }
# commands FILE HEADING: its indented lines.
commands() { section "$1" "$2" | sed --quiet 's/^    //p'; }
# fenced FILE HEADING LANGUAGE: its first block of that language.
fenced() { section "$1" "$2" | awk -v open="\`\`\`$3" '/^```$/ { if (on) exit } on; $0 == open { on = 1 }'; }
# follow COMMAND: as somebody types it. The one who types is root here, whom `sudo` asks nothing.
follow() {
    note "\$ $1"
    (cd "$work" && DEBIAN_FRONTEND=noninteractive bash -e -o pipefail -c 'sudo() { env "$@"; }; eval "$1"' - "$1") >>"$work/followed.log" 2>&1
}
# named COMMANDS PATTERN: the one line of them that it is about.
named() {
    local found
    found=$(grep --extended-regexp "$2" <<<"$1") && [[ $found != *$'\n'* ]] || fail "the document has not one command with '$2': ${found:-none}"
    printf '%s\n' "$found"
}

# for_service_alone FILE: fails unless its contents are for root and the service, and nobody else.
for_service_alone() {
    [[ $(stat --format='%a %U %G' "$1") == '640 root glimpsed' ]] || fail "$1 has another mode or owner: $(stat --format='%a %U %G' "$1")"
    [[ $(<"$1") == 'the password' ]] || fail "$1 does not hold what was typed"
}

remove_service
subscribe
plug_in
# The broker of the examples.
echo '127.0.0.1 homeassistant.local' >>/etc/hosts
trap show_journal EXIT

# `make deb` was followed where Rust is; this is what it leaves.
install_it=$(named "$(commands "$first" "1. Install the package")" 'apt install')
install -D --mode=644 "$share/glimpsed.deb" "$work/target/debian/glimpsed_0.1.0-1_$(dpkg --print-architecture).deb"
# As is after `make dist`: the other architecture's package lies beside it.
touch "$work/target/debian/glimpsed_0.1.0-1_other.deb"
follow "$install_it" || fail "cannot be installed as first-label.md says"
is ActiveState active || fail "is $(service_state ActiveState) after it was installed"
systemctl is-enabled --quiet glimpsed || fail "does not run after a restart"
follow 'glimpsed check -c /etc/glimpsed/glimpsed.toml' || fail "the configuration is not valid as it comes"

# The configuration of first-label.md: labels arrive as the page says.
pid=$(main_pid)
mosquitto_sub -h homeassistant.local -t 'glimpsed/#' -F '%r %t %p' >>"$work/all" 2>/dev/null &
awk '/^```toml$/ { on = 1; next } /^```$/ { if (on) exit } on' "$first" >"$work/first.toml"
grep --quiet homeassistant.local "$work/first.toml" || fail "first-label.md does not begin with a configuration for a broker"
# The password is typed. The broker of the scenarios lets everybody in, with a name or without.
store_it=$(named "$(commands "$first" "2. Connect it to your broker")" 'mqtt-password')
follow "$store_it" <<<'the password' || fail "the password cannot be stored as first-label.md says"
for_service_alone /etc/glimpsed/mqtt-password
cat "$work/first.toml" >/etc/glimpsed/glimpsed.toml
arrives() { grep --quiet --extended-regexp "$1" "$work/all"; }
wait_until 120 "no label arrives after the file was edited" arrives '^[01] glimpsed/[^/]+/classification .*"label":'
wait_until 30 "no state arrives" arrives '^[01] glimpsed/[^/]+/state '
[[ $(main_pid) == "$pid" ]] || fail "the edit took another process"

# The guide's third step: a password in a file. From here on the broker wants it.
open_broker=$(</etc/mosquitto/mosquitto.conf)
printf 'listener 1883 127.0.0.1\npassword_file /etc/mosquitto/passwords\n' >/etc/mosquitto/mosquitto.conf
mosquitto_passwd -b -c /etc/mosquitto/passwords glimpsed 'the password'
chown mosquitto: /etc/mosquitto/passwords
systemctl restart mosquitto
! mosquitto_pub -h homeassistant.local -t probe -n 2>/dev/null || fail "the broker wants no password"
mosquitto_sub -h homeassistant.local -u glimpsed -P 'the password' -t 'glimpsed/#' -F '%r %t %p' >>"$work/all" 2>/dev/null &
rm /etc/glimpsed/mqtt-password
follow "$(named "$(commands "$guide" "3. The broker")" 'mqtt-password')" <<<'the password' || fail "the password cannot be stored as the guide says"
for_service_alone /etc/glimpsed/mqtt-password
fenced "$guide" "3. The broker" toml >/etc/glimpsed/glimpsed.toml
: >"$work/all"
wait_until 120 "no label arrives with a user's name and password" arrives '^[01] glimpsed/[^/]+/classification .*"label":'

# Drop-ins: the credential of the guide, the devices of a camera on the ribbon cable.
printf '%s\n' 'the password' | install -D --mode=600 /dev/stdin /etc/credstore/mqtt-password
for block in "3. The broker" "2. The camera"; do
    fenced "$guide" "$block" ini >"$work/drop-in"
    [[ -s $work/drop-in ]] || fail "the guide has no drop-in below '$block'"
    install -D --mode=644 "$work/drop-in" "/etc/systemd/system/glimpsed.service.d/${block%%.*}.conf"
done
sed --in-place 's#^password_file = .*#password_file = "/run/credentials/glimpsed.service/mqtt-password"#' /etc/glimpsed/glimpsed.toml
systemctl daemon-reload
follow 'sudo systemctl restart glimpsed' || fail "does not start with the drop-ins"
: >"$work/all"
wait_until 120 "no label arrives with the drop-ins" arrives '^[01] glimpsed/[^/]+/classification .*"label":'
systemctl show --property DeviceAllow glimpsed | grep --quiet dma_heap || fail "the drop-in for the camera is not in effect"

# "Does it work?", at a broker as in first-label.md.
printf '%s\n' "$open_broker" >/etc/mosquitto/mosquitto.conf
systemctl restart mosquitto
without_systemd=$(section "$guide" "4. Does it work?" | sed --quiet 's/.*`\(GLIMPSED_[^`]*\)`.*/\1/p')
[[ -n $without_systemd ]] || fail "the guide does not say how the doctor gets the credential"
while read -r command; do
    case $command in
    # The credential of the drop-in is there for the service alone; the guide says what to put behind `sudo` then.
    *doctor*) follow "${command/sudo glimpsed/sudo $without_systemd glimpsed}" || fail "the doctor finds something: $(tail --lines=5 "$work/followed.log")" ;;
    mosquitto_sub*) follow "timeout 20 $command || [[ \$? == 124 ]]" || fail "what the guide subscribes with fails" ;;
    *) follow "PAGER=cat $command" || fail "fails: $command" ;;
    esac
done < <(commands "$guide" "4. Does it work?")
grep --quiet '"label":' "$work/followed.log" || fail "the guide's subscriber got no label"
is ActiveState active || fail "is $(service_state ActiveState) at the end"
remove_service
