# The driver cuts everyone off (open files get ENODEV), and serves again when all of them have let go.
# deadline: 60

plug_in
run_on_camera bars
for _ in 1 2 3; do
    mark_here
    control disconnect=1
    wait_for_camera 4 offline
    wait_for_camera 4 online
    wait_for_fresh_label 2
done
daemon_runs
