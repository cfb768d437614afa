# A picture that stays the same to the last bit: offline, though frames come, until it changes. (What vivid loops is the
# same picture again and again.)
# deadline: 90

plug_in
show coffee.png
run_on_camera coffee frozen_after='"4s"'
wait_for_camera 10 offline
mark_here
sleep 6
never "online with a frozen picture" "camera/status online"
grep --quiet 'the picture has been the same for' "$work/daemon.log" || fail "the log does not say why"
show rocket.jpg
wait_for_label 10 rocket
wait_for_camera 2 online
