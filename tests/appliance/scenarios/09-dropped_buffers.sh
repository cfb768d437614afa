# Half of the frames lost: labels go on. All lost: offline within two frame timeouts, and back when frames are.
# deadline: 60

plug_in
run_on_camera bars
control percentage_of_dropped_buffers=50
wait_for_fresh_label 3
mark_here
control percentage_of_dropped_buffers=100
wait_for_camera 5 offline
mark_here
control percentage_of_dropped_buffers=0
wait_for 5 "$any_label" "a fresh label"
wait_for_camera 2 online
