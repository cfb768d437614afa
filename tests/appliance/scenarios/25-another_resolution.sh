# A camera that returns with another resolution than it had is labelled, and what it gives now is published. (Without
# scaler, vivid gives what its HDMI signal has.)
# core
# deadline: 90

plug_in num_inputs=1 input_types=3 num_outputs=1 output_types=1 ccs_cap_mode=0 ccs_out_mode=0
by_path=/dev/v4l/by-path/platform-vivid.0-video-index0
wait_until 5 "vivid has no name in by-path" test -e "$by_path"
run_on_camera bars device="\"$by_path\""
wait_for_negotiated '[^}]*"height":720,"width":1280'
# Stopped, the daemon does not see the camera before its signal has changed.
kill -STOP "$daemon"
unbind
bind
wait_until 5 "the name in by-path did not return" test -e "$by_path"
v4l2-ctl --device "$capture" --set-dv-bt-timings index=0 >/dev/null
mark_here
kill -CONT "$daemon"
wait_for_negotiated '[^}]*"height":480,"width":640'
wait_for 10 "$any_label" "a fresh label"
