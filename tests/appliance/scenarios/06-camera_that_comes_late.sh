# A daemon that starts without its camera waits, says so, and labels once the camera is there.
# core
# deadline: 60

subscribe
write_config
start_daemon
wait_for 10 "$topic/status online"
sleep 3
daemon_runs
plug_in
mark_here
wait_for 5 "$any_label" "a fresh label"
show coffee.png
wait_for_label 10 coffee
mark=0
wait_for_camera 1 offline
wait_for_camera 1 online
