# shellcheck shell=bash
# What scenarios are written with. `work` is the scenario's own directory; everything in it is shown if it fails.

readonly share=/share
readonly topic=glimpsed/guest
readonly driver=/sys/bus/platform/drivers/vivid
mark=0 # Lines of `messages` that a wait does not look at.

fail() {
    printf 'FAIL: %s\n' "$*"
    exit 1
}

skip() {
    printf 'SKIP: %s\n' "$*"
    exit 77
}

# What was measured; the host shows it beside the verdict.
figure() {
    printf 'FIGURE: %s\n' "$*"
}

# With `quiet` set, nothing is noted.
note() {
    [[ -n ${quiet:-} ]] || printf '[%s] %s\n' "$(uptime_ms)" "$*"
}

# Milliseconds since boot: no step of the clock changes it.
uptime_ms() {
    local up
    read -r up _ </proc/uptime
    echo "$((10#${up/./} * 10))"
}

# wait_until SECONDS WHAT COMMAND...: fails with WHAT unless the command succeeds in time.
wait_until() {
    local deadline=$(($(uptime_ms) + $1 * 1000)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        (($(uptime_ms) < deadline)) || fail "$what"
        sleep 0.1
    done
}

# --- the daemon

# write_config [KEY=VALUE...]: the camera's keys, over the ones that every scenario has. The model is the quick one that
# knows coffee, chelsea, rocket, bars and black; with real_model=1 it is the bundled one.
write_config() {
    local pair
    declare -A camera=(
        [source]='"v4l2"' [device]='"/dev/video0"' [width]=640 [height]=360 [fps]=10.0 [frame_timeout]='"2s"'
        [reconnect_max]='"1s"' [frozen_after]='"0s"'
    )
    for pair in "$@"; do camera[${pair%%=*}]=${pair#*=}; done
    [[ ${camera[source]} == '"v4l2"' ]] || unset 'camera[device]'
    {
        printf '[device]\nid = "guest"\n[camera]\n'
        for pair in "${!camera[@]}"; do printf '%s = %s\n' "$pair" "${camera[$pair]}"; done
        if [[ -n ${real_model:-} ]]; then
            printf '[model]\ndirectory = "%s/models"\n' "$share"
        else
            printf '[model]\nactive = "colour"\n[models.colour]\npath = "%s/colour.onnx"\n' "$share"
            printf 'labels = "%s/colour.txt"\nfit = "stretch"\nscores = "logits"\n' "$share"
            printf 'mean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]\n'
        fi
        # Black is one of the colours here.
        printf '[gate]\nmin_luma = 0.0\n'
        printf '[labels]\nsmoothing = "none"\nconsecutive = 1\n[mqtt]\nurl = "mqtt://127.0.0.1"\nclassification_interval = "0s"\n'
    } >"$work/glimpsed.toml"
}

start_daemon() {
    [[ -x /opt/glimpsed ]] || install "$share/glimpsed" /opt/glimpsed
    /opt/glimpsed run -c "$work/glimpsed.toml" >>"$work/daemon.log" 2>&1 &
    daemon=$!
    sleep 0.5
    daemon_runs
}

# run_on_camera LABEL [KEY=VALUE...]: the daemon on what vivid shows, until a frame has that label.
run_on_camera() {
    local label=$1
    shift
    subscribe
    write_config "$@"
    start_daemon
    wait_for_label 15 "$label"
}

daemon_runs() {
    kill -0 "$daemon" 2>/dev/null || fail "the daemon has ended: $(tail --lines=1 "$work/daemon.log")"
}

stop_daemon() {
    kill -TERM "$daemon"
    wait_until 5 "the daemon does not stop within 5 s of SIGTERM" gone "$daemon"
}

# A scenario about a fault proves nothing if the fault never reached the daemon.
fault_was_felt() {
    grep --quiet retry_in_ms "$work/daemon.log" || fail "vivid's fault did not reach the daemon"
}

gone() {
    [[ ! -e /proc/$1 || $(process_state "$1") == Z ]]
}

process_state() {
    sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f1
}

threads() { awk '/^Threads:/ { print $2 }' "/proc/$1/status"; }
descriptors() { find "/proc/$1/fd" -mindepth 1 | wc -l; }
rss_kib() { awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"; }
# Ticks of CPU, a hundred to the second.
cpu_ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }
# How often its threads have gone to sleep, and so were woken: the same on a slow machine as on a fast one.
wakeups() { cat /proc/"$1"/task/*/status | awk '/^voluntary_ctxt_switches:/ { sum += $2 } END { print sum }'; }

# --- the service

# Installs the program, its unit and its user, and a configuration for vivid with the quick model.
install_service() {
    install "$share/glimpsed" /usr/bin/glimpsed
    install --mode=644 "$share/systemd/glimpsed.service" /etc/systemd/system/glimpsed.service
    install -D --mode=644 "$share/systemd/glimpsed.sysusers" /usr/lib/sysusers.d/glimpsed.conf
    systemd-sysusers glimpsed.conf
    systemctl daemon-reload
    write_config "$@"
    configure_service
}

# What other scenarios have left, installed by hand or as a package.
remove_service() {
    systemctl --quiet stop glimpsed 2>/dev/null || true
    ! dpkg --status glimpsed >/dev/null 2>&1 || dpkg --purge glimpsed >/dev/null
    rm -rf /etc/systemd/system/glimpsed.service{,.d} /usr/lib/sysusers.d/glimpsed.conf /usr/bin/glimpsed /etc/glimpsed /var/lib/glimpsed
    ! getent passwd glimpsed >/dev/null || userdel glimpsed
    systemctl daemon-reload
}

# The scenario's configuration becomes the service's, with a model that it may read.
configure_service() {
    install -d /etc/glimpsed
    install --mode=644 "$share/colour.onnx" "$share/colour.txt" /etc/glimpsed/
    install --mode=640 --group=glimpsed "$work/glimpsed.toml" /etc/glimpsed/glimpsed.toml
    sed --in-place "s#$share/colour#/etc/glimpsed/colour#" /etc/glimpsed/glimpsed.toml
}

# What the journal says is worth more than any message of ours.
show_journal() {
    systemctl status --no-pager --full glimpsed >"$work/status.log" 2>&1 || true
    journalctl --no-pager --unit=glimpsed --lines=60 >"$work/journal.log" || true
}

service_state() { systemctl show --property "$1" --value glimpsed; }
is() { [[ $(service_state "$1") == "$2" ]]; }
main_pid() { service_state MainPID; }
another_pid_than() { [[ $(main_pid) != "$1" && $(main_pid) != 0 ]]; }

start_service() {
    local began
    trap show_journal EXIT
    began=$(uptime_ms)
    systemctl restart glimpsed || fail "does not start: $(journalctl --no-pager --lines=20 --unit=glimpsed)"
    note "ready after $(($(uptime_ms) - began)) ms"
}

# --- the broker

subscribe() {
    systemctl start mosquitto
    wait_until 20 "the broker does not answer" mosquitto_pub -h 127.0.0.1 -t probe -n
    mosquitto_sub -h 127.0.0.1 -t "$topic/#" -F '%r %t %p' >>"$work/messages" 2>/dev/null &
    sleep 0.3
}

# From here on, waits look at newer messages only.
mark_here() {
    mark=$(wc -l <"$work/messages")
}

# wait_for SECONDS REGEX [WHAT]: a message since the mark, as `RETAINED TOPIC PAYLOAD`; prints how long it took.
wait_for() {
    local began what=${3:-a message like $2}
    began=$(uptime_ms)
    wait_until "$1" "$what did not come within $1 s" arrived "$2"
    note "$what came after $(($(uptime_ms) - began)) ms"
}

# wait_for_label SECONDS LABEL: of a single frame; several labels are separated by `|`.
wait_for_label() {
    wait_for "$1" "$(labelled "$2")" "the label $2"
}

# wait_for_camera SECONDS online|offline
wait_for_camera() {
    wait_for "$1" " $topic/camera/status $2\$" "camera/status $2"
}

# never NAME REGEX: no message since the mark is like this.
never() {
    ! arrived "$2" || fail "$1: $(tail --lines=+$((mark + 1)) "$work/messages" | grep --extended-regexp "$2" | head --lines=1)"
}

# The retained description of the device says this of the camera.
wait_for_negotiated() {
    wait_for 10 " $topic/info .*\"camera\":\{$1" "info with camera $1"
}

# Labels go on coming: a fresh one within so many seconds from now.
wait_for_fresh_label() {
    mark_here
    wait_for "$1" "$any_label" "a fresh label"
}

arrived() {
    tail --lines=+$((mark + 1)) "$work/messages" | grep --quiet --extended-regexp "$1"
}

# A raw answer about one frame, and a regular expression for one with the given label.
readonly any_label="$topic/classification .*\"label\":"
labelled() {
    printf '%s/classification .*"top":\\[\\{"label":"(%s)"' "$topic" "$1"
}

# --- the camera

# plug_in [PARAMETER...]: loads vivid, by default with one HDMI input and one HDMI output, which can be looped.
plug_in() {
    # On HDMI it has any size from 16x16 in steps of 2, and 60 frames a second.
    (($#)) || set -- num_inputs=1 input_types=3 num_outputs=1 output_types=1
    [[ $* == *n_devs=* ]] || set -- n_devs=1 node_types=0x101 "$@"
    modprobe vivid "$@"
    wait_until 10 "vivid made no devices" find_nodes
}

bind() {
    echo "${1:-vivid.0}" >"$driver/bind"
    [[ -n ${1:-} && $1 != vivid.0 ]] || wait_until 10 "vivid made no devices" find_nodes
}

unbind() {
    echo "${1:-vivid.0}" >"$driver/unbind"
}

find_nodes() {
    local entry
    capture='' output=''
    for entry in /sys/class/video4linux/video*; do
        case $(<"$entry/name") in
            vivid-000-vid-cap) capture=/dev/${entry##*/} ;;
            vivid-000-vid-out) output=/dev/${entry##*/} ;;
        esac
    done
    [[ -c $capture && -c $output ]]
}

# two_cameras: after `plug_in n_devs=2 ...` and `write_config`, in place of the one camera `left`, which shows red (nearest to coffee), and
# `right`, which shows blue (nearest to the night of the rocket) and is found by `auto`; each has a view of its own.
two_cameras() {
    local entry pair
    second=
    for entry in /sys/class/video4linux/video*; do
        [[ $(<"$entry/name") != vivid-001-vid-cap ]] || second=/dev/${entry##*/}
    done
    [[ -c $second ]] || fail "vivid made no second camera"
    for pair in "$capture 7" "$second 9"; do
        v4l2-ctl --device "${pair% *}" --set-ctrl test_pattern="${pair#* }" || fail "vivid refuses the pattern"
    done
    awk '/^\[/ { skip = ($0 == "[camera]") } !skip' "$work/glimpsed.toml" >"$work/views.toml"
    for pair in "right=auto" "left=$capture"; do
        printf '[cameras.%s]\ndevice = "%s"\nwidth = 640\nheight = 360\nfps = 10.0\n' "${pair%%=*}" "${pair#*=}"
        printf 'frame_timeout = "2s"\nreconnect_max = "1s"\nfrozen_after = "0s"\n[views.%s]\ncamera = "%s"\n' "${pair%%=*}" "${pair%%=*}"
    done >>"$work/views.toml"
    mv "$work/views.toml" "$work/glimpsed.toml"
}

# show PHOTO [yuyv|nv12]: writes a photograph to the output again and again, and loops it to the capture side.
show() {
    local format=${2:-yuyv} frame=/run/appliance/$1.${2:-yuyv}
    declare -A fourcc=([yuyv]=YUYV [nv12]=NV12)
    stop_showing
    [[ -e $frame ]] ||
        python3 "$share/appliance/guest/frames.py" "$share/models/photos/$1" "$format" 640 360 "$frame"
    v4l2-ctl --device "$output" --set-fmt-video-out "width=640,height=360,pixelformat=${fourcc[$format]}" \
        --stream-from "$frame" --stream-loop --stream-out-mmap >/dev/null 2>>"$work/output.log" &
    showing=$!
    control loop_video=1
}

stop_showing() {
    [[ -z ${showing:-} ]] || { kill "$showing" 2>/dev/null && wait "$showing" 2>/dev/null; } || true
    showing=
}

# Another program streams from the camera; its process is `holder`.
hold_camera() {
    v4l2-ctl --device "$capture" --stream-mmap >/dev/null 2>&1 &
    holder=$!
    wait_until 10 "v4l2-ctl does not stream" grep --quiet "$capture" "/proc/$holder/maps"
}

# control NAME=VALUE...: sets controls of the capture side.
control() {
    local pair
    for pair in "$@"; do v4l2-ctl --device "$capture" --set-ctrl "$pair" || fail "vivid refuses $pair"; done
}

# What the capture side is set to: `640/360 YUYV 10.000`.
set_to() {
    v4l2-ctl --device "$capture" --get-fmt-video --get-parm |
        awk -F ' *: *' '/Width/ { size = $2 } /Pixel Format/ { format = substr($2, 2, 4) } /per second/ { rate = $2 }
            END { sub(" .*", "", rate); print size, format, rate }'
}
