# A picture that stays the same to the last bit: offline, though frames come, until it changes. (Without the counters that
# it writes into them, vivid's pictures are all the same.)
# core
# deadline: 90

plug_in
control osd_text_mode=2
run_on_camera bars frozen_after='"4s"'
wait_for_camera 10 offline
mark_here
sleep 6
never "online with a frozen picture" "camera/status online"
grep --quiet 'the picture has been the same for' "$work/daemon.log" || fail "the log does not say why"
# 100 % black.
control test_pattern=5
wait_for_label 10 black
wait_for_camera 2 online
