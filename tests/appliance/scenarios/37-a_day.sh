# A day of labels, by a clock that leaps from one frame to the next: none is missing, and nothing grows, leaks or is written.
# clock: leaps
# deadline: 88000

subscribe
python3 - "$share" /run/appliance/day.mjpeg <<'PYTHON'
import sys
from PIL import Image
with open(sys.argv[2], "wb") as stream:
    for photo in ("coffee.png", "rocket.jpg"):
        Image.open(f"{sys.argv[1]}/models/photos/{photo}").convert("RGB").resize((160, 120)).save(stream, "JPEG")
PYTHON
install_service 'source="replay"' 'path="/etc/glimpsed/day.mjpeg"' fps=0.1 'frame_timeout="1m"'
install --mode=644 /run/appliance/day.mjpeg /etc/glimpsed/
start_service
wait_for_label 60 'coffee|rocket'
pid=$(main_pid)

labels() { grep --count "^0 $topic/classification " "$work/messages"; }
written() { awk '/^write_bytes:/ { print $2 }' "/proc/$pid/io"; }
sample() { echo "$(rss_kib "$pid") $(threads "$pid") $(descriptors "$pid") $(written)"; }

sleep 60
first=$(sample)
at_first=$(labels)
note "RSS in KiB, threads, descriptors, bytes written after a minute: $first"
most=0
for hour in {1..24}; do
    sleep 3600
    now=$(sample)
    rss=${now%% *}
    ((rss <= most)) || most=$rss
    note "after $hour h: $now, $(labels) labels"
done
[[ $(main_pid) == "$pid" ]] || fail "another process"
[[ ${now#* } == "${first#* }" ]] || fail "threads, descriptors or bytes written: $first after a minute, $now after a day"
((most - ${first%% *} < 1024)) || fail "RSS grew from ${first%% *} to $most KiB"
count=$(($(labels) - at_first))
((count >= 8630 && count <= 8650)) || fail "$count labels in a day, at one in ten seconds"
figure "a day: $count labels, RSS ${first%% *} KiB after a minute, at most $most"
