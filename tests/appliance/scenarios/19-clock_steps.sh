# The clock of a board without a battery jumps: labels go on.
# deadline: 60

plug_in
run_on_camera bars
# It is offline until its first frame.
offline() { grep -c 'camera/status offline' "$work/messages" || true; }
before=$(offline)
for step in '+1 hour' '-2 hours' '+1 hour'; do
    date --set "$(date --date "$step" '+%F %T')" >/dev/null
    sleep 2.5
    wait_for_fresh_label 2
done
[[ $(offline) == "$before" ]] || fail "the camera was given up because the clock jumped"
