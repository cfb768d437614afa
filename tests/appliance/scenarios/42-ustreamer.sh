# A camera behind a real µStreamer: its stream and its snapshots are labelled, and it comes back when the server does.
# core
# deadline: 240

command -v ustreamer >/dev/null || skip "µStreamer is not in this guest"
plug_in
control test_pattern=7
serve() {
    ustreamer --device="$capture" --host=127.0.0.1 --port=8090 --resolution=640x360 --format=YUYV --encoder=CPU --desired-fps=5 \
        --persistent >>"$work/ustreamer.log" 2>&1 &
    server=$!
    wait_until 30 "µStreamer does not answer" answers
}
answers() { exec 8<>/dev/tcp/127.0.0.1/8090 && exec 8>&-; }

serve
run_on_camera coffee source='"http"' url='"http://127.0.0.1:8090/stream"' frame_timeout='"5s"'
control test_pattern=9
mark_here
wait_for_label 30 rocket
mark_here
kill -KILL "$server"
wait_for_camera 20 offline
wait_for 20 "$topic/health .*Connection refused" "the reason in health"
serve
wait_for_camera 30 online
mark_here
wait_for_label 30 rocket
stop_daemon

# A picture at a time.
write_config source='"http"' url='"http://127.0.0.1:8090/snapshot"' fps=2.0 frame_timeout='"5s"'
mark_here
start_daemon
wait_for_label 30 rocket
stop_daemon
kill "$server"
