# Two cameras of the real driver, each with a view of its own: each view has its camera's labels, and one camera that is torn off
# takes nothing from the other. The second is found by `auto`, which leaves the device of the first.
# core
# deadline: 180

plug_in n_devs=2 node_types=0x101,0x101 num_inputs=1,1 input_types=3,3 num_outputs=1,1 output_types=1,1
subscribe
write_config
two_cameras
start_daemon
of() { printf '%s/view/%s/classification .*"top":\\[\\{"label":"%s"' "$topic" "$1" "$2"; }
wait_for 30 "$(of left coffee)" "the left camera's label"
wait_for 30 "$(of right rocket)" "the right camera's label"
mark_here
sleep 3
never "the left view sees the right camera" "$(of left rocket)"
never "the right view sees the left camera" "$(of right coffee)"

# Torn off while it streams.
mark_here
began=$(uptime_ms)
v4l2-ctl --device "$second" --set-ctrl disconnect=1 2>/dev/null || true
wait_for 15 "$topic/camera/right/status offline" "the right camera's loss"
wait_for 30 "$topic/camera/right/status online" "the right camera's return"
wait_for 30 "$(of right rocket)" "its label"
passed=$(($(uptime_ms) - began))
count=$(tail --lines=+$((mark + 1)) "$work/messages" | grep --count --extended-regexp "$(of left coffee)")
never "the left camera was lost with it" "$topic/camera/left/status offline"
((count * 1000 >= passed)) || fail "$count labels of the left camera in $passed ms"
figure "while the right camera was away for $passed ms: $count labels of the left one"
daemon_runs
stop_daemon
