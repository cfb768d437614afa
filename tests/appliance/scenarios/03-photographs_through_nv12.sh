# The same through NV12, the colours being right.
# deadline: 60

plug_in
show coffee.png nv12
subscribe
write_config format='"nv12"'
start_daemon
wait_for_label 15 coffee
show rocket.jpg nv12
wait_for_label 15 rocket
show chelsea.png nv12
wait_for_label 15 chelsea
