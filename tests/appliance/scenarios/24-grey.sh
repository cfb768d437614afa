# A camera that gives luma only.
# core
# deadline: 60

plug_in
# 100 % black.
control test_pattern=5
run_on_camera black format='"grey"'
[[ $(set_to) == '640/360 GREY '* ]] || fail "asked for grey, set to $(set_to)"
wait_for_negotiated '[^}]*"format":"GREY"[^}]*"height":360,"width":640'
# 75 % colour bars; without colour they are a little darker than grey, and nearest to the rocket's night sky.
control test_pattern=0
wait_for_label 15 'bars|rocket'
