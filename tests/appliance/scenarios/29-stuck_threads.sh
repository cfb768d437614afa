# A single thread that is stuck, the camera's or the model's, gets the service started again.
# deadline: 420

subscribe
plug_in
install_service
start_service
wait_for_label 15 bars

# freeze_thread NAME: that thread alone does not run any more, as in a call that does not return.
freeze_thread() {
    local thread stuck
    thread=$(grep --files-with-matches --line-regexp "$1" "/proc/$pid"/task/*/comm | cut -d/ -f5)
    [[ -n $thread ]] || fail "no thread $1 among $(sort "/proc/$pid"/task/*/comm | tr '\n' ' ')"
    stuck=/sys/fs/cgroup$(service_state ControlGroup)/stuck
    mkdir "$stuck"
    echo threaded >"$stuck/cgroup.type"
    echo "$thread" >"$stuck/cgroup.threads"
    echo 1 >"$stuck/cgroup.freeze"
}

for name in capture inference; do
    pid=$(main_pid)
    freeze_thread "$name"
    began=$(uptime_ms)
    wait_until 150 "still the same process though its $name thread is stuck" another_pid_than "$pid"
    note "started again $(($(uptime_ms) - began)) ms after the $name thread was stuck"
    wait_until 30 "not ready again" is ActiveState active
    wait_for_fresh_label 15
done
