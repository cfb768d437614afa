# A single thread that is stuck, the camera's, the model's or the main one, gets the service started again; of the main one /livez tells.
# deadline: 600

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

# livez CODE: what /livez is answered with.
livez() {
    [[ $(python3 -c 'import http.client
connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=5)
connection.request("GET", "/livez")
print(connection.getresponse().status)') == "$1" ]]
}

# The main thread is called like the program.
for name in capture inference glimpsed; do
    pid=$(main_pid)
    wait_until 30 "/livez is not fine" livez 200
    freeze_thread "$name"
    began=$(uptime_ms)
    if [[ $name == glimpsed ]]; then
        # The page has a thread of its own. The others' are found by the main thread, which then ends the program by itself.
        wait_until 25 "/livez says fine though the main thread is stuck" livez 503
        note "/livez says so after $(($(uptime_ms) - began)) ms"
    fi
    wait_until 150 "still the same process though its $name thread is stuck" another_pid_than "$pid"
    note "started again $(($(uptime_ms) - began)) ms after the $name thread was stuck"
    wait_until 30 "not ready again" is ActiveState active
    wait_for_fresh_label 15
done
