# A camera whose rate falls to one frame a second while it streams goes on.
# deadline: 90

plug_in num_inputs=1 input_types=0 num_outputs=1 output_types=1
run_on_camera bars fps=10.0
mark_here
v4l2-ctl --device "$capture" --set-parm 1 >/dev/null
[[ $(set_to) == *' 1.000' ]] || fail "vivid is still set to $(set_to)"
# What was on its way is through.
sleep 3
from=$(wc -l <"$work/messages")
labels() { tail --lines=+$((from + 1)) "$work/messages" | grep --count "$any_label"; }
sleep 5
note "$(labels) labels in 5 s"
(($(labels) <= 7)) || fail "$(labels) labels in 5 s: the rate did not fall"
ten_labels() { (($(labels) >= 10)); }
wait_until 30 "only $(labels) labels" ten_labels
never "the camera was given up" "camera/status offline"
