# As a service: confined, ready when it labels, reloaded, started again after a crash and a hang, with the last configuration
# that worked where the file cannot work, and not at all without one.
# deadline: 240

install_service
problems=$(systemd-analyze verify /etc/systemd/system/glimpsed.service 2>&1 | grep glimpsed || true)
[[ -z $problems ]] || fail "systemd-analyze verify: $problems"
systemd-analyze security --no-pager --threshold=20 glimpsed.service >"$work/security" ||
    fail "exposure above 2.0: $(tail --lines=1 "$work/security")"
note "$(tail --lines=1 "$work/security")"

subscribe
plug_in
start_service
wait_for_label 15 bars
[[ $(ps -o user= -p "$(main_pid)") == glimpsed ]] || fail "runs as $(ps -o user= -p "$(main_pid)")"
wait_until 10 "no status line" test -n "$(service_state StatusText)"
note "status: $(service_state StatusText)"

# Reloaded by hand: the same process.
pid=$(main_pid)
sed --in-place 's/^consecutive = 1/consecutive = 2/' /etc/glimpsed/glimpsed.toml
systemctl reload glimpsed
wait_until 15 "the reload is not in info" arrived "$topic/info .*\"labels.consecutive\":{[^}]*\"value\":2"
another_pid_than "$pid" && fail "a reload took another process"

# Killed, and hung as a whole: the manager starts another one.
mark_here
kill -KILL "$pid"
wait_until 30 "not started again after SIGKILL" another_pid_than "$pid"
# The watchdog's time begins when it is ready.
wait_until 30 "not ready again after SIGKILL" is ActiveState active
pid=$(main_pid)
kill -STOP "$pid"
wait_until 90 "the watchdog did not end a hung process" another_pid_than "$pid"
wait_until 30 "not ready again" is ActiveState active

# Switched over MQTT while it runs, restarted from there: the process number stays.
pid=$(main_pid)
mark_here
mosquitto_pub -h 127.0.0.1 -t "$topic/request/restart" -n
wait_for 15 "$topic/status offline"
wait_for 30 "$topic/status online"
# Longer than a stop may take: the manager must not think that it was one.
sleep 12
another_pid_than "$pid" && fail "a restart over MQTT took another process"
is ActiveState active || fail "is $(service_state ActiveState) after a restart over MQTT"

# With a configuration that cannot work, the last one that worked is in effect, and it is said everywhere.
systemctl stop glimpsed
sed --in-place 's/^consecutive = 2/consecutiv = 2/' /etc/glimpsed/glimpsed.toml
mark_here
start_service
wait_for 15 "$topic/info .*\"config_error\":\".*consecutiv"
wait_for_label 15 bars
journalctl --no-pager --unit=glimpsed | grep --quiet 'the last one that worked is in effect' || fail "nothing in the journal"
journalctl --no-pager --unit=glimpsed | grep --quiet 'did you mean' || fail "no hint in the journal"

# Without one that has worked, it stays down.
systemctl stop glimpsed
rm /var/lib/glimpsed/last-good-*.toml
tries=$(service_state NRestarts)
systemctl start glimpsed 2>/dev/null && fail "starts with a wrong configuration that never worked"
sleep 8
is NRestarts "$tries" || is NRestarts 0 || fail "was tried again: $(service_state NRestarts) restarts, $tries before"
is Result exit-code || fail "ended with $(service_state Result)"
