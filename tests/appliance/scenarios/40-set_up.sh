# The set-up as somebody does it who has installed the package and sits at another machine: `glimpsed setup` with sudo, its link
# in a browser, the camera chosen. The file keeps its comments, owner and mode, and labels come.
# deadline: 600

[[ -e $share/glimpsed.deb ]] || skip "no package (--deb FILE)"
readonly file=/etc/glimpsed/glimpsed.toml here=10.78.0.1 there=10.78.0.2

apt() { DEBIAN_FRONTEND=noninteractive apt-get --yes --option Dpkg::Options::=--force-confold "$@" >>"$work/apt.log" 2>&1; }
# As sudo starts it: another environment, and nothing of the service's.
sudo() { env --ignore-environment PATH="$PATH" HOME=/root SUDO_USER=pi TERM=dumb "$@"; }
laptop() { ip netns exec laptop "$@"; }
reachable() { laptop python3 -c "import socket; socket.create_connection(('$here', 8080), 3)"; }
prints() { grep --quiet --extended-regexp "$1" "$work/setup.log"; }
owner_and_mode() { stat --format='%U %G %a' "$1"; }

remove_service
plug_in
# Another machine in the house, on a cable of its own.
ip netns add laptop
ip link add house type veth peer name wire netns laptop
ip address add "$here/24" dev house
ip link set house up
ip route add default via "$there"
laptop ip address add "$there/24" dev wire
laptop ip link set wire up
unplug() {
    show_journal
    ip link delete house 2>/dev/null || true
    ip netns delete laptop 2>/dev/null || true
}
trap unplug EXIT

apt install "$share/glimpsed.deb" || fail "cannot be installed"
is ActiveState active || fail "is $(service_state ActiveState) after it was installed"
# The quick model; everything else is as it comes.
install --mode=644 "$share/colour.onnx" "$share/colour.txt" /etc/glimpsed/
sed --in-place 's/^#active = .*/active = "colour"/; s/^#min_luma = .*/min_luma = 0.0/' "$file"
{
    printf '\n[models.colour]\npath = "/etc/glimpsed/colour.onnx"\nlabels = "/etc/glimpsed/colour.txt"\nfit = "stretch"\n'
    printf 'scores = "logits"\nmean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]\n'
} >>"$file"
# Where nobody else is to read it.
chown root:glimpsed "$file"
chmod 640 "$file"
cp --preserve=all "$file" "$work/before"
systemctl restart glimpsed || fail "does not start with the quick model"
! reachable || fail "the page is open to the network before anybody has asked for it"
pid=$(main_pid)

sudo glimpsed setup -c "$file" >"$work/setup.log" 2>&1 &
setup=$!
wait_until 60 "it prints no link for this address" prints "http://$here:8080/login#"
wait_until 90 "it does not wait for what is chosen" prints '^Waiting for what is chosen there'
! prints 'does not answer' || fail "it says that the daemon does not answer"
link=$(sed --quiet --regexp-extended "s|^ +(http://$here:8080/login#.*)|\1|p" "$work/setup.log")
began=$(uptime_ms)
laptop python3 "$share/appliance/guest/visitor.py" "$link" vivid >"$work/visitor.log" 2>&1 || fail "$(tail --lines=1 "$work/visitor.log")"
figure "from the link to the first label: $((($(uptime_ms) - began) / 1000)) s, of them $(sed --quiet 's/^labelled after \([0-9.]* s\):.*/\1/p' "$work/visitor.log") behind what was written"
wait_until 10 "glimpsed setup does not end" gone "$setup"
prints '^Written into' || fail "it does not say what it has written"
grep --quiet '"waits": true' "$work/visitor.log" || fail "the service may write its own configuration"

# What people have written is all there, and whoever could read the file still can.
lost=$(diff "$work/before" "$file" | sed --quiet 's/^< \(# .*\)/\1/p') || true
[[ -z $lost ]] || fail "comments are lost: $lost"
grep --quiet --fixed-strings 'device = "/dev/v4l/by-path/' "$file" || fail "the camera is not in the file"
[[ $(owner_and_mode "$file") == 'root glimpsed 640' ]] || fail "$file is another's now: $(owner_and_mode "$file")"
token=$(sed --quiet 's/^token_file = "\(.*\)".*/\1/p' "$file")
[[ $(owner_and_mode "$token") == 'glimpsed glimpsed 600' ]] || fail "the token is another's: $(owner_and_mode "$token")"
glimpsed check -c "$file" >"$work/check.log" 2>&1 || fail "what was written cannot work: $(<"$work/check.log")"
[[ $(main_pid) == "$pid" ]] || fail "the service was started anew"
systemctl restart glimpsed || fail "does not start with what was written"
remove_service
