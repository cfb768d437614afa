# A buffer that the driver marks as damaged is no reason to lose the camera.
# deadline: 60

plug_in
subscribe
write_config
start_daemon
wait_for_label 15 bars
for _ in 1 2 3 4 5; do
    control inject_v4l2_buf_flag_error=1
    wait_for_fresh_label 3
done
daemon_runs
