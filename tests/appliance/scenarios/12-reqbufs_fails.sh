# A camera whose driver refuses buffers at the first try is tried again.
# deadline: 60

plug_in
control inject_vidioc_reqbufs_error=1
subscribe
write_config
start_daemon
wait_for_label 15 bars
fault_was_felt
