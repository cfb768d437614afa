# Unplugging for two minutes on end leaks no thread, no descriptor and no memory.
# deadline: 200

plug_in
subscribe
write_config reconnect_min='"100ms"' reconnect_max='"200ms"'
start_daemon
wait_for_label 15 bars
cycle() {
    local quiet=1
    unbind
    sleep 0.1
    bind
    wait_for_fresh_label 8
}
for _ in 1 2 3 4 5; do cycle; done
measure() { note "$1: $(threads "$daemon") threads, $(descriptors "$daemon") descriptors, $(rss_kib "$daemon") KiB"; }
before_threads=$(threads "$daemon") before_descriptors=$(descriptors "$daemon") before_kib=$(rss_kib "$daemon")
measure before
cycles=0 until=$(($(uptime_ms) + 120000))
while ((cycles < 200 && $(uptime_ms) < until)); do
    cycle
    cycles=$((cycles + 1))
done
measure "after $cycles cycles"
((cycles >= 20)) || fail "only $cycles cycles in two minutes"
(($(threads "$daemon") <= before_threads)) || fail "$before_threads threads have become $(threads "$daemon")"
(($(descriptors "$daemon") <= before_descriptors)) ||
    fail "$before_descriptors descriptors have become $(descriptors "$daemon")"
(($(rss_kib "$daemon") <= before_kib + 4096)) || fail "$before_kib KiB have become $(rss_kib "$daemon")"
