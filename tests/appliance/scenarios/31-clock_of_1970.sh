# A board without a battery boots in 1970; the clock is corrected later, and labels go on.
# deadline: 90

trap 'date --set "@$now" >/dev/null; show_journal' EXIT
now=$(date +%s)
subscribe
plug_in
install_service
# The kernel takes no time before its own start, so it is the second day.
date --set '1970-01-02 00:00:00' >/dev/null
start_service
trap 'date --set "@$now" >/dev/null; show_journal' EXIT
wait_for_label 15 bars
arrived '"ts":"1970-01-02T' || note "the labels' times: $(tail --lines=1 "$work/messages")"
pid=$(main_pid)
date --set "@$now" >/dev/null
wait_for_fresh_label 3
sleep 3
wait_for_fresh_label 3
another_pid_than "$pid" && fail "was started again because the clock was corrected"
never "the camera was given up because the clock was corrected" 'camera/status offline'
