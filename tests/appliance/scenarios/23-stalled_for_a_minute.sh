# A stream that stalls for a minute, the device being there: offline within two frame timeouts, not online before frames
# come again, then online within the longest back-off.
# deadline: 120

plug_in
run_on_camera bars
mark_here
control percentage_of_dropped_buffers=100
wait_for_camera 4 offline
mark_here
sleep 60
daemon_runs
never "online without a frame" "camera/status online"
control percentage_of_dropped_buffers=0
wait_for 4 "$any_label" "a fresh label"
wait_for_camera 2 online
