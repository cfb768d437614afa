# A buffer that the driver marks as damaged is skipped and counted, and no reason to lose the camera.
# core
# deadline: 60

plug_in
# Patient, so that nothing but a damaged buffer can cost the camera.
run_on_camera bars frame_timeout='"20s"'
damaged_so_far() { grep --quiet "damaged frame skipped .*marked it as damaged.* damaged=$1\$" "$work/daemon.log"; }
control inject_v4l2_buf_flag_error=1
wait_until 5 "the damaged buffer was not skipped" damaged_so_far 1
wait_for_fresh_label 3
control inject_v4l2_buf_flag_error=1
wait_until 5 "the second damaged buffer was not skipped" damaged_so_far 2
wait_for_fresh_label 3
never "the camera was given up" "camera/status offline"
stop_daemon
grep --quiet ' damaged=2 reconnects=0' "$work/daemon.log" ||
    fail "other counts at the end: $(tail --lines=1 "$work/daemon.log")"
