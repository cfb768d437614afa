# Waiting for a camera costs less than 1 % of a core.
# deadline: 60

subscribe
write_config
start_daemon
wait_for 10 "$topic/status online"
sleep 3
before=$(cpu_ticks "$daemon")
sleep 20
used=$(($(cpu_ticks "$daemon") - before))
note "$used ticks of 2000"
((used < 20)) || fail "$used of 2000 ticks of CPU in 20 s"
