# The daemon runs on photographs, publishes what they show, and stops when asked.
# deadline: 90

subscribe
write_config source='"replay"' path="\"$share/models/photos\"" fps=1.0
start_daemon
wait_for 30 "$topic/status online"
wait_for 30 "$(labelled espresso)"
wait_for 30 "$(labelled 'Egyptian cat|tiger cat|tabby')"
stop_daemon
wait_for 5 "$topic/status offline"
