# The daemon runs on photographs, publishes what they show, and stops when asked. With the bundled model, which loads in
# most of a minute under emulation.
# deadline: 240

subscribe
real_model=1 write_config source='"replay"' path="\"$share/models/photos\"" fps=1.0
start_daemon
wait_for 120 "$topic/status online"
wait_for_label 60 'Egyptian cat|tiger cat|tabby'
wait_for_label 60 espresso
stop_daemon
wait_for 5 "$topic/status offline"
