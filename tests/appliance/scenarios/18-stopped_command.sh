# A camera program that hangs is ended and started again.
# core
# deadline: 60

cat >"$work/camera" <<END
#!/bin/bash
while :; do
    cat $share/models/photos/rocket.jpg
    sleep 0.2
done
END
run_on_camera rocket source='"command"' command="[\"bash\", \"$work/camera\"]"
child=$(pgrep --parent "$daemon")
mark_here
kill -STOP "$child"
wait_until 5 "the hanging program was not ended" gone "$child"
wait_for_fresh_label 5
mark=0
wait_for_camera 1 offline
daemon_runs
