# A camera that cannot start streaming at the first try is tried again.
# core
# deadline: 60

plug_in
control inject_vidioc_streamon_error=1
run_on_camera bars
fault_was_felt
