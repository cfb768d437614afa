# Every pixel format that is read and that vivid has, by the right colours; and controls, by V4L2's names.
# deadline: 240

plug_in
for format in yuyv uyvy yvyu nv12 nv21 yu12 rgb bgr; do
    # 75 % colour bars.
    control test_pattern=0
    run_on_camera bars format="\"$format\""
    # 100 % black.
    control test_pattern=5
    wait_for_label 15 black
    stop_daemon
done

# The first camera that there is, with a control that it has.
run_on_camera black device='"auto"' controls='{ brightness = 200 }'
[[ $(v4l2-ctl --device "$capture" --get-ctrl brightness) == 'brightness: 200' ]] || fail "the brightness was not set"
stop_daemon

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
