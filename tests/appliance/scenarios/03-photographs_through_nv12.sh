# The same through NV12, the colours being right.
# core
# deadline: 60

plug_in
show coffee.png nv12
run_on_camera coffee format='"nv12"'
show rocket.jpg nv12
wait_for_label 15 rocket
show chelsea.png nv12
wait_for_label 15 chelsea
