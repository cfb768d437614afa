# After a fatal error of the stream (DQBUF gives EIO) the camera is opened again.
# core
# deadline: 60

plug_in
run_on_camera bars
for _ in 1 2 3; do
    control inject_fatal_streaming_error=1
    sleep 3
    wait_for_fresh_label 5
done
daemon_runs
fault_was_felt
