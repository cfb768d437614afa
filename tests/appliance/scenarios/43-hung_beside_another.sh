# A call into the driver of one camera does not return; another camera's labels come as before, as often and as soon.
# deadline: 240

plug_in n_devs=2 node_types=0x101,0x101 num_inputs=1,1 input_types=3,3 num_outputs=1,1 output_types=1,1
subscribe
write_config
two_cameras
start_daemon

# view_of CAMERA: a message with a label of its view.
view_of() { printf '%s/view/%s/classification ' "$topic" "$1"; }

# p99_of CAMERA: of the milliseconds from a frame's arrival to its label, since the mark.
p99_of() {
    tail --lines=+$((mark + 1)) "$work/messages" | grep --extended-regexp "$(view_of "$1")" |
        sed 's/.*"total":\([0-9.]*\).*/\1/' | sort --numeric-sort >"$work/ages"
    sed -n "$(($(wc -l <"$work/ages") * 99 / 100))p" "$work/ages"
}

count_of() { tail --lines=+$((mark + 1)) "$work/messages" | grep --count --extended-regexp "$(view_of "$1")"; }
many_of() { (($(count_of "$1") >= 150)); }

mark_here
for camera in left right; do wait_until 60 "too few labels of $camera" many_of "$camera"; done
declare -A before=([left]=$(p99_of left) [right]=$(p99_of right))

# The thread of one of the two cameras does not run any more, as in a call that does not return.
thread=$(grep --files-with-matches --line-regexp capture "/proc/$daemon"/task/*/comm | cut -d/ -f5 | tail --lines=1)
group=/sys/fs/cgroup/hung
mkdir -p "$group"
echo "$daemon" >"$group/cgroup.procs"
mkdir "$group/stuck"
echo threaded >"$group/stuck/cgroup.type"
echo "$thread" >"$group/stuck/cgroup.threads"
mark_here
echo 1 >"$group/stuck/cgroup.freeze"
wait_for 30 "$topic/camera/(left|right)/status offline" "the loss of the camera whose driver hangs"
hung=left other=right
arrived "$topic/camera/left/status offline" || { hung=right other=left; }
wait_for 30 "$topic/health .*driver does not respond" "the reason"

mark_here
began=$(uptime_ms)
wait_until 60 "too few labels of $other beside a driver that hangs" many_of "$other"
passed=$(($(uptime_ms) - began))
after=$(p99_of "$other")
figure "p99 of the age of a label of the other camera: ${before[$other]} ms before, $after ms beside the hung one; 150 labels in $passed ms"
never "the other camera was lost with it" "$topic/camera/$other/status offline"
# Less than a frame later, of 10 a second.
awk -v before="${before[$other]}" -v after="$after" 'BEGIN { exit !(after - before < 100) }' || fail "$after ms after ${before[$other]}"
daemon_runs
grep --quiet "does not return" "$work/daemon.log" || fail "the log does not name the call"

# The driver answers at last.
mark_here
echo 0 >"$group/stuck/cgroup.freeze"
wait_for 30 "$topic/camera/$hung/status online" "the hung camera's return"
stop_daemon
