# A driver that does not take a buffer back is opened again.
# deadline: 60

plug_in
run_on_camera bars
control inject_vidioc_qbuf_error=1
sleep 3
wait_for_fresh_label 5
daemon_runs
fault_was_felt
