# A camera that gives luma only.
# deadline: 60

plug_in
run_on_camera bars format='"grey"'
[[ $(set_to) == '640/360 GREY '* ]] || fail "asked for grey, set to $(set_to)"
wait_for_negotiated '"format":"GREY","fps":[0-9.]+,"height":360,"width":640'
# 3 is 100 % black.
control test_pattern=3
wait_for_label 15 black
