# Every pixel format that is read and that vivid has, by the right colours; and controls, by V4L2's names.
# deadline: 240

plug_in
subscribe

# shows PATTERN LABEL: from now on the frames have this label.
shows() {
    control test_pattern="$1"
    sleep 0.5
    mark_here
    wait_for_label 15 "$2"
}

for format in yuyv uyvy yvyu nv12 nv21 yu12 rgb bgr; do
    write_config format="\"$format\""
    start_daemon
    # Wholly red, which is nearest to coffee, and wholly blue, which is nearest to the night: not so if colours are swapped.
    shows 7 coffee
    shows 9 rocket
    stop_daemon
done

# The first camera that there is, with a control that it has.
write_config device='"auto"' controls='{ brightness = 140 }'
start_daemon
shows 9 rocket
[[ $(v4l2-ctl --device "$capture" --get-ctrl brightness) == 'brightness: 140' ]] || fail "the brightness was not set"
stop_daemon

# What is called like a camera and is none is named, and keeps no camera from the list; a link to one is one.
ln --symbolic "$capture" /dev/video-front
ln --symbolic /dev/nothing /dev/video77
: >/dev/video78
/opt/glimpsed cameras list >"$work/list" || fail "$(cat "$work/list")"
grep --quiet "^$capture " "$work/list" || fail "not in the list: $(cat "$work/list")"
write_config device='"/dev/video-front"'
/opt/glimpsed cameras probe -c "$work/glimpsed.toml" >"$work/probe" 2>&1 || fail "a link to the camera: $(cat "$work/probe")"
for none in /dev/video78:'no V4L2 device' /dev/null:'no V4L2 device' /dev/video77:'no such device' "$output:no camera"; do
    write_config device="\"${none%%:*}\""
    /opt/glimpsed cameras probe -c "$work/glimpsed.toml" >"$work/probe" 2>&1 && fail "${none%%:*} was opened"
    grep --quiet "${none#*:}" "$work/probe" || fail "$none: $(cat "$work/probe")"
done
rm /dev/video-front /dev/video77 /dev/video78

# A control that it has not, and a value that the control has not.
write_config controls='{ brigthness = 200 }'
/opt/glimpsed cameras probe -c "$work/glimpsed.toml" >"$work/probe" 2>&1 && fail "a control that is not there was set"
grep --quiet 'it has no control `brigthness`; it has .*brightness' "$work/probe" || fail "$(cat "$work/probe")"
write_config controls='{ brightness = 256 }'
/opt/glimpsed cameras probe -c "$work/glimpsed.toml" >"$work/probe" 2>&1 && fail "a value out of range was set"
grep --quiet 'cannot be 256; it can be 0 to 255 in steps of 1' "$work/probe" || fail "$(cat "$work/probe")"

# What it has is listed.
write_config
/opt/glimpsed cameras probe -c "$work/glimpsed.toml" >"$work/probe" || fail "$(cat "$work/probe")"
grep --quiet 'brightness .*0 to 255 in steps of 1' "$work/probe" || fail "$(cat "$work/probe")"
