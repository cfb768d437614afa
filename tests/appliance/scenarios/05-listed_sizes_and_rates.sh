# A camera that lists its sizes and rates (a webcam) is set to the nearest ones.
# deadline: 60

plug_in num_inputs=1 input_types=0 num_outputs=1 output_types=1
run_on_camera bars width=640 height=400 fps=11.0
[[ $(set_to) == '640/360 '*' 10.000' ]] || fail "asked for 640x400 at 11 a second, set to $(set_to)"
