# A camera whose driver refuses buffers at the first try is tried again.
# deadline: 60

plug_in
control inject_vidioc_reqbufs_error=1
run_on_camera bars
fault_was_felt
