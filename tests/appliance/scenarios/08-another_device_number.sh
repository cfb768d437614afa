# A camera that returns under another number is found by its stable name. A program that keeps the old node open keeps
# its number taken.
# core
# deadline: 60

plug_in
by_path=/dev/v4l/by-path/platform-vivid.0-video-index0
wait_until 5 "vivid has no name in by-path" test -e "$by_path"
was=$(readlink -f "$by_path")
show coffee.png
run_on_camera coffee device="\"$by_path\""
exec 9<"$was"
unbind
sleep 1
mark_here
bind
wait_until 5 "the name in by-path did not return" test -e "$by_path"
now=$(readlink -f "$by_path")
note "$was has become $now"
[[ $now != "$was" ]] || skip "the camera returned under the same number"
show rocket.jpg
wait_for_label 10 rocket
