# A camera that vanishes while it streams is reported within two frame timeouts; one that returns gives a fresh label
# within two seconds.
# deadline: 90

plug_in
show coffee.png
run_on_camera coffee
for _ in 1 2 3; do
    mark_here
    unbind
    wait_for_camera 4 offline
    sleep 2
    mark_here
    bind
    wait_for 2 "$any_label" "a fresh label"
    wait_for_camera 2 online
    show rocket.jpg
    wait_for_label 10 rocket
done
daemon_runs
