# The doctor says of a camera that it works and what it offers, that there is none, who holds it, and which group to join.
# core
# deadline: 60

# doctor CODE REGEX [WRAPPER...]: its exit code, and what its line about the camera says.
doctor() {
    local code=0
    "${@:3}" /opt/glimpsed doctor -c "$work/glimpsed.toml" >"$work/doctor.log" 2>&1 || code=$?
    [[ $code == "$1" ]] || fail "exit code $code instead of $1: $(<"$work/doctor.log")"
    grep --quiet --extended-regexp " camera +.*$2" "$work/doctor.log" || fail "no $2: $(<"$work/doctor.log")"
}

install "$share/glimpsed" /opt/glimpsed
write_config
subscribe
doctor 69 'there is no such device; is the camera plugged in\?; there is no other V4L2 camera'
plug_in
doctor 0 'camera /dev/video0: 640x360, .*; offers .*YUYV'
grep --quiet '^ok .* broker ' "$work/doctor.log" || fail "nothing of the broker: $(<"$work/doctor.log")"
hold_camera
doctor 69 "in use by v4l2-ctl \(PID $holder\)"
chmod o+x /run "${work%/*}" "$work"
doctor 69 'permission denied; .*group `video`' setpriv --reuid nobody --regid nogroup --clear-groups
