# A camera that another program holds is taken when that program lets go.
# core
# deadline: 60

plug_in
hold_camera
subscribe
write_config
start_daemon
wait_for 10 "$topic/status online"
sleep 3
daemon_runs
! arrived "$any_label" || fail "labels, though another program holds the camera"
mark_here
kill "$holder"
wait_for 5 "$any_label" "a fresh label"
