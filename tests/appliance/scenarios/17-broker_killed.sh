# A broker that dies and forgets everything gets what is retained again, and what changed meanwhile.
# core
# deadline: 90

plug_in
show coffee.png
run_on_camera coffee
systemctl kill --signal=KILL mosquitto
show rocket.jpg
sleep 5
daemon_runs
mark_here
subscribe
wait_for 15 "$topic/status online"
wait_for 5 "$topic/state .*\"label\":\"rocket\""
wait_for_camera 5 online
# The emulated camera may pause on a busy machine; the daemon opens it again by itself.
wait_for_label 20 rocket
