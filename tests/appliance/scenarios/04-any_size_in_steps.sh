# A camera that offers any size in steps (an HDMI grabber) gives the one that is asked for; the format is chosen.
# core
# deadline: 60

plug_in
show coffee.png
run_on_camera coffee
[[ $(set_to) == '640/360 YUYV '* ]] || fail "asked for 640x360, set to $(set_to)"
