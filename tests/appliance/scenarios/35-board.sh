# The package on the processor of a board: it labels photographs that come through a camera's driver with the bundled model,
# in fp32 and in int8, on the kernels for that processor. The times are the emulator's; the memory is the program's.
# deadline: 900

[[ -e $share/glimpsed.deb ]] || skip "no package (--deb FILE)"

# What `models inspect` has to say, from what the processor says of itself.
kernels_for() {
    case " $(grep --max-count=1 --extended-regexp '^(Features|flags)' /proc/cpuinfo) " in
        *' asimddp '*) echo 'native \(neon\+dotprod\)' ;;
        *' asimd '*) echo 'native \(neon\)' ;;
        *' avx512_vnni '*) echo 'native \(avx512-vnni\)' ;;
        *' avx2 '*) echo 'native \(avx2\)' ;;
        *) echo tract ;;
    esac
}
# answer PRECISION LABELS: a raw answer of one of the model's two files.
answer() {
    printf '%s/classification .*"precision":"%s".*"top":\\[\\{"label":"(%s)"' "$topic" "$1" "$2"
}
answers() { tail --lines=+$((mark + 1)) "$work/messages" | grep --extended-regexp "$(answer "$1" '.*')"; }
has_five_answers() { (($(answers "$1" | wc --lines) >= 5)); }
# The median of what inference took.
infer_ms() {
    wait_until 120 "no five answers in $1" has_five_answers "$1"
    answers "$1" | sed 's/.*"infer":\([0-9]*\).*/\1/' | sort --numeric-sort |
        awk '{ times[NR] = $1 } END { print times[int((NR + 1) / 2)] " ms a picture (emulated)" }'
}
memory() {
    awk '/^VmHWM:/ { most = $2 } /^VmRSS:/ { now = $2 } END { printf "%.1f MB, at most %.1f MB", now / 1024, most / 1024 }' \
        "/proc/$(main_pid)/status"
}
since() { printf '%d.%d s' $((($(uptime_ms) - $1) / 1000)) $((($(uptime_ms) - $1) % 1000 / 100)); }

subscribe
plug_in
show coffee.png
remove_service

began=$(uptime_ms)
DEBIAN_FRONTEND=noninteractive apt-get --yes install "$share/glimpsed.deb" >"$work/apt.log" 2>&1 || fail "cannot be installed"
trap show_journal EXIT
is ActiveState active || fail "is $(service_state ActiveState) after it was installed"
figure "installed, and labels as it comes, after $(since "$began")"

# The package's own model, where the package puts it.
real_model=1 write_config
sed --in-place '/^directory = /d' "$work/glimpsed.toml"
configure_service
mark_here
began=$(uptime_ms)
systemctl restart glimpsed || fail "does not start"
ready=$(since "$began")
wait_for 240 "$(answer fp32 espresso)" "espresso, in fp32"
figure "ready after $ready, first label over MQTT after $(since "$began")"

glimpsed models inspect efficientnet-lite0 -c /etc/glimpsed/glimpsed.toml >"$work/inspect.log" || fail "models inspect fails"
wanted=$(kernels_for)
grep --quiet --extended-regexp "$wanted" "$work/inspect.log" || fail "not $wanted: $(<"$work/inspect.log")"
figure "$(grep --only-matching --extended-regexp "$wanted" "$work/inspect.log" | head --lines=1) on $(grep --max-count=1 --extended-regexp '^(CPU part|model name)' /proc/cpuinfo | tr --squeeze-repeats '\t ' ' ')"

mark_here
show chelsea.png
wait_for 120 "$(answer fp32 'Egyptian cat|tiger cat|tabby')" "a cat, in fp32"
figure "fp32: $(infer_ms fp32); resident $(memory)"

[[ $wanted == tract ]] || (($(rss_kib "$(main_pid)") <= 60 * 1024)) || fail "more than 60 MB are resident"

mark_here
mosquitto_pub -h 127.0.0.1 -t "$topic/precision/set" -m int8
wait_for 240 "$(answer int8 'Egyptian cat|tiger cat|tabby')" "a cat, in int8"
show coffee.png
wait_for 120 "$(answer int8 espresso)" "espresso, in int8"
figure "int8: $(infer_ms int8); resident $(memory)"

# The doctor wants the camera for itself.
systemctl stop glimpsed
glimpsed doctor -c /etc/glimpsed/glimpsed.toml >"$work/doctor.log" 2>&1 || fail "the doctor: $(<"$work/doctor.log")"
figure "doctor: $(grep --count --extended-regexp '^ok ' "$work/doctor.log") of $(wc --lines <"$work/doctor.log") ok"
